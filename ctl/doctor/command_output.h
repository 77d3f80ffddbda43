// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace secrets::ctl::doctor {

/// What a command prints on standard output. Nothing when there is no such command, when it fails,
/// or when it takes longer than that, in which case it is killed. Its standard error is thrown
/// away.
std::optional<std::string> output_of(const std::vector<std::string>& command,
                                     std::chrono::seconds longest);

}  // namespace secrets::ctl::doctor
