// SPDX-License-Identifier: Apache-2.0
#pragma once
// What slurmstepd remembers between a step's start and its tasks. Filled by step.cpp before the
// tasks are forked; each task's child reads its copy in task.cpp.

#include <optional>
#include <string>

#include "common/secure_memory/locked_region.h"
#include "spank/files.h"

namespace secrets::spank {

struct StepState {
    /// The delivery, mapped and locked in slurmstepd, so that memory of the fallback kind can't be
    /// swapped out while it waits. The mapping does not reach the children, its descriptor does.
    std::optional<LockedRegion> delivery;
    std::optional<StepFiles> files;  ///< those that were written, where any were asked for
    std::string refusal;  ///< why there is none, for the tasks' stderr; empty when nothing is wrong
    std::string note;     ///< for the first task's stderr; may be empty
};

/// The one of this process. Not destroyed at exit: the exit hook empties it.
StepState& step_state();

}  // namespace secrets::spank
