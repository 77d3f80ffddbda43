// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace secrets::ctl {

/// Returns a text without the byte order mark at its begin. Throws CommandError if the text is
/// UTF-16; `source` names it in the error.
std::string_view utf8_text(std::string_view text, const std::string& source);

}  // namespace secrets::ctl
