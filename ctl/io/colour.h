// SPDX-License-Identifier: Apache-2.0
#pragma once
// Colour, only for users at a terminal.

#include <string>
#include <string_view>

namespace secrets::ctl {

enum class Tone { plain, heading, good, warning, bad };

enum class Paint { no, yes };

/// Returns yes if standard output is a terminal that shows colours, and NO_COLOR is not set
/// (https://no-color.org).
Paint paint_for_output();

/// Returns `text` between the escape sequences that make a terminal show it in `tone`.
std::string painted(std::string_view text, Tone tone, Paint paint);

}  // namespace secrets::ctl
