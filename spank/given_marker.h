// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes the marker of a task from what the task is given.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/ipc/marker.h"
#include "common/secure_memory/wipe.h"
#include "spank/outer_marks.h"

namespace secrets::spank {

/// A variable that a task is given.
struct GivenVariable {
    std::string_view variable;
    SecretView value;
    bool is_path = false;  ///< the path of a file
    SecretView content{};  ///< of that file
};

/// Returns the marker under a new key. `environment` is the task's, before it is given anything: a
/// value that it holds already under another name is recognized by its variable's name only, unless
/// the job around the task was given it. Without random bytes there is no marker: the key is all
/// zeros, and no value is recognized.
Marker marker_of(std::span<const GivenVariable> given, std::string spec,
                 const char* const* environment, const std::vector<OuterMark>& outer);

}  // namespace secrets::spank
