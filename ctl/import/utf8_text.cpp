// SPDX-License-Identifier: Apache-2.0
#include "ctl/import/utf8_text.h"

#include "common/base/text_encoding.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

std::string_view utf8_text(std::string_view text, const std::string& source) {
    const std::string encoding(utf16_name(text));
    if (encoding.empty()) return without_byte_order_mark(text);
    throw CommandError(ExitCode::bad_input, source + " is " + encoding +
                                                " text, as some programs for Windows write it; "
                                                "convert it with: iconv -f " +
                                                encoding + " -t UTF-8");
}

}  // namespace secrets::ctl
