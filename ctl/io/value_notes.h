// SPDX-License-Identifier: Apache-2.0
#pragma once
// Values that are taken byte for byte, and of which the bytes may not be what the user sees.

#include <string>
#include <string_view>
#include <vector>

namespace secrets::ctl {

/// Returns what may surprise in a value, as sentences that show nothing of it: a byte order mark,
/// UTF-16, and lines that end with CR LF.
std::vector<std::string> notes_on_value(std::string_view value);

/// Returns whether a value is one line, and its only newline is at its end, as an editor leaves it.
bool is_line_with_newline(std::string_view value);

/// Prints each note on standard error.
void print_notes(const std::vector<std::string>& notes);

}  // namespace secrets::ctl
