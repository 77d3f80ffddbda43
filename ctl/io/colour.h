// SPDX-License-Identifier: Apache-2.0
#pragma once
// Colour, for people at a terminal alone.

#include <string>
#include <string_view>

namespace secrets::ctl {

enum class Tone { plain, heading, good, warning, bad };

enum class Paint { no, yes };

/// yes where standard output is a terminal that can, and NO_COLOR is not set
/// (https://no-color.org).
Paint paint_for_output();

/// `text` with what makes a terminal show it in that tone.
std::string painted(std::string_view text, Tone tone, Paint paint);

}  // namespace secrets::ctl
