// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace secrets::ctl::doctor {

/// Returns the standard output of a command. Returns nothing if the command does not exist, fails,
/// or takes longer than the limit, in which case it is killed. Its standard error is discarded.
std::optional<std::string> output_of(const std::vector<std::string>& command,
                                     std::chrono::seconds longest);

}  // namespace secrets::ctl::doctor
