// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bracketed paste: a mode in which a terminal puts a sequence before and after what a user pastes.

#include <string_view>

#include "ctl/io/secret_text.h"

namespace secrets::ctl {

inline constexpr std::string_view kPasteModeOn = "\x1b[?2004h";
inline constexpr std::string_view kPasteModeOff = "\x1b[?2004l";
inline constexpr std::string_view kPasteBegin = "\x1b[200~";
inline constexpr std::string_view kPasteEnd = "\x1b[201~";

/// Returns whether `text` ends within a paste. `was_open`: whether a paste was open before `text`.
bool is_paste_open(std::string_view text, bool was_open);

/// Returns `text` without the sequences that enclose a paste.
SecretText without_paste_brackets(std::string_view text);

}  // namespace secrets::ctl
