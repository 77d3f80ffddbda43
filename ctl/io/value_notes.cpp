// SPDX-License-Identifier: Apache-2.0
#include "ctl/io/value_notes.h"

#include <iostream>

#include "common/base/text_encoding.h"

namespace secrets::ctl {
namespace {

bool begins_as_utf16(std::string_view value) {
    return value.starts_with("\xff\xfe") || value.starts_with("\xfe\xff");
}

bool has_cr_lf(std::string_view value) {
    if (value.find('\0') != value.npos) return false;  // no text
    return value.ends_with('\r') || value.find("\r\n") != value.npos;
}

}  // namespace

std::vector<std::string> notes_on_value(std::string_view value) {
    std::vector<std::string> notes;
    if (begins_as_utf16(value)) {
        notes.emplace_back(
            "the value is UTF-16 text and is kept so; for UTF-8 convert it with: iconv -f UTF-16 "
            "-t UTF-8");
    } else if (without_byte_order_mark(value).size() < value.size()) {
        notes.emplace_back("the value begins with a byte order mark, which is part of it");
    }
    if (has_cr_lf(value)) {
        notes.emplace_back(
            "the value has lines that end with CR LF, and the CR is part of it; remove it with: tr "
            "-d '\\r'");
    }
    return notes;
}

bool is_line_with_newline(std::string_view value) {
    return value.size() > 1 && value.find('\n') == value.size() - 1;
}

void print_notes(const std::vector<std::string>& notes) {
    for (const std::string& note : notes) std::cerr << "secretctl: note: " << note << '\n';
}

}  // namespace secrets::ctl
