// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/ipc/marker.h"

namespace secrets::ctl {

/// A variable that a command of `secretctl exec` is given.
struct ExecVariable {
    std::string_view variable;
    std::string_view value;
    std::span<const std::byte> secret{};  ///< the content of the file whose path `value` is
    bool is_path = false;
};

/// Adds to the marker of the process what its command is given, so that the command's own sbatch
/// recognizes the values whether or not the agent can be asked then. A variable that the task was
/// given gets the mark of its new value, and the old value stays recognized.
void add_given(Marker& marker, std::span<const ExecVariable> given);

}  // namespace secrets::ctl
