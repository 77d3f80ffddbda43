// SPDX-License-Identifier: Apache-2.0
#pragma once
// A line that a user types and the terminal does not show.

#include <string>

#include "ctl/io/secret_text.h"

namespace secrets::ctl {

/// Prompts on standard error and reads one line from the terminal at standard input, without its
/// newline. The terminal echoes again when this function returns, throws or is ended by a signal; a
/// process that was stopped (Ctrl-Z) and continued prompts again. Throws CommandError (bad_input)
/// at the end of input, if a line is longer than a terminal accepts, if it contains a control
/// character, and if more follows it at once, as in a paste of several lines. What follows is read
/// and dropped, and nothing of it reaches the shell.
SecretText read_hidden_line(const std::string& prompt);

}  // namespace secrets::ctl
