// SPDX-License-Identifier: Apache-2.0
#include "ctl/io/colour.h"

#include <unistd.h>

#include <cstdlib>

namespace secrets::ctl {
namespace {

const char* begin_of(Tone tone) {
    switch (tone) {
        case Tone::plain:
            return "";
        case Tone::heading:
            return "\033[1m";
        case Tone::good:
            return "\033[32m";
        case Tone::warning:
            return "\033[33m";
        case Tone::bad:
            return "\033[31m";
    }
    return "";
}

bool has_text(const char* value) {
    return value != nullptr && *value != '\0';
}

}  // namespace

Paint paint_for_output() {
    if (has_text(std::getenv("NO_COLOR"))) return Paint::no;
    const char* terminal = std::getenv("TERM");
    if (!has_text(terminal) || std::string_view(terminal) == "dumb") return Paint::no;
    return ::isatty(STDOUT_FILENO) != 0 ? Paint::yes : Paint::no;
}

std::string painted(std::string_view text, Tone tone, Paint paint) {
    if (paint == Paint::no || tone == Tone::plain || text.empty()) return std::string(text);
    return begin_of(tone) + std::string(text) + "\033[0m";
}

}  // namespace secrets::ctl
