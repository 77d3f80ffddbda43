// SPDX-License-Identifier: Apache-2.0
#pragma once
// How secretctl ends: a code for programs, a sentence for people.

#include <stdexcept>
#include <string>

namespace secrets::ctl {

/// Part of the interface, and told by `secretctl --help`: a code keeps its meaning.
enum class ExitCode : int {
    fine = 0,
    refused = 1,  ///< the agent answered, and its answer is no
    bad_input =
        2,  ///< wrong usage, or input or output that cannot be used; the agent holds what it held
    unreachable = 3,  ///< no agent answered
};

/// Ends the command. The sentence says what, where and what to do, without a byte of a value.
class CommandError : public std::runtime_error {
  public:
    CommandError(ExitCode code, const std::string& sentence)
        : std::runtime_error(sentence), code_(code) {}

    ExitCode code() const { return code_; }

  private:
    ExitCode code_;
};

}  // namespace secrets::ctl
