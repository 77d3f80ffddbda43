// SPDX-License-Identifier: Apache-2.0
#pragma once
// How secretctl ends: an exit code for programs, a sentence for users.

#include <stdexcept>
#include <string>

namespace secrets::ctl {

/// Part of the interface, documented by `secretctl --help`: a code never changes its meaning.
enum class ExitCode : int {
    fine = 0,
    refused = 1,      ///< the agent answered with an error
    bad_input = 2,    ///< wrong usage, or unusable input or output; the agent's data is unchanged
    unreachable = 3,  ///< no agent answered
    file_left = 4,    ///< the run is pushed, but its file is still there
    not_executable = 126,  ///< `exec` cannot run the command, as shells report it
    no_command = 127,      ///< `exec` does not find the command
};

/// Ends the command. The sentence names the problem, its position and the remedy, without a byte of
/// a value.
class CommandError : public std::runtime_error {
  public:
    CommandError(ExitCode code, const std::string& sentence)
        : std::runtime_error(sentence), code_(code) {}

    ExitCode code() const { return code_; }

  private:
    ExitCode code_;
};

}  // namespace secrets::ctl
