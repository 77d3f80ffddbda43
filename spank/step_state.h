// SPDX-License-Identifier: Apache-2.0
#pragma once
// The state that slurmstepd holds between a step's start and its tasks. Filled by step.cpp before
// the tasks are forked; each task's child reads its copy in task.cpp.

#include <optional>
#include <string>
#include <vector>

#include "common/base/secret_spec.h"
#include "common/secure_memory/locked_region.h"
#include "spank/files.h"
#include "spank/outer_marks.h"

namespace secrets::spank {

struct StepState {
    /// The delivery, mapped and locked in slurmstepd, so that memory of the fallback kind can't be
    /// swapped out before the tasks start. The children inherit its descriptor, but not the
    /// mapping.
    std::optional<LockedRegion> delivery;
    std::optional<StepFiles> files;  ///< the written files, if any were requested
    SecretSpec spec;  ///< what the step requested, without the run of a platform's variable
    std::string changed_variable;  ///< the variable to set to `spec`, where that is not its text
    std::vector<OuterMark> outer;  ///< what the job around the step was given
    std::string refusal;  ///< why there is no delivery, for the tasks' stderr; empty without an
                          ///   error
    std::string note;     ///< for the first task's stderr; may be empty
};

/// Returns the state of this process. Not destroyed at exit: the exit hook empties it.
StepState& step_state();

}  // namespace secrets::spank
