// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace secrets::ctl::doctor {

struct CommandResult {
    int code = 0;  ///< with which the command exited
    std::string output;
};

/// Runs a command. Returns nothing if it does not exist, is ended by a signal, or takes longer than
/// the limit, in which case it is killed. Its standard error is discarded.
std::optional<CommandResult> run_command(const std::vector<std::string>& command,
                                         std::chrono::seconds longest);

/// Returns the standard output of a command. Returns nothing if the command does not exist, fails,
/// or takes longer than the limit, in which case it is killed. Its standard error is discarded.
std::optional<std::string> output_of(const std::vector<std::string>& command,
                                     std::chrono::seconds longest);

}  // namespace secrets::ctl::doctor
