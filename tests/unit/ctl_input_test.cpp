// SPDX-License-Identifier: Apache-2.0
// Promise: what a user may not see in a value is noted, and a paste is taken without its brackets.

#include <string>

#include "ctl/io/bracketed_paste.h"
#include "ctl/io/value_notes.h"
#include "tests/unit/catch.h"

namespace secrets::ctl {
namespace {

using namespace std::string_view_literals;

TEST_CASE("Value notes: name a byte order mark, UTF-16 and CR LF") {
    struct Row {
        std::string_view value;
        std::string_view note;
    };
    const Row rows[] = {
        {"\xef\xbb\xbf"
         "canary"sv,
         "byte order mark"},
        {"\xff\xfe"
         "c\0"sv,
         "UTF-16"},
        {"\xfe\xff\0c"sv, "UTF-16"},
        {"canary\r"sv, "CR LF"},
        {"canary\r\ncanary"sv, "CR LF"},
    };
    for (const Row& row : rows) {
        const auto notes = notes_on_value(row.value);
        REQUIRE(notes.size() == 1);
        CHECK(notes.front().find(row.note) != std::string::npos);
        CHECK(notes.front().find("canary") == std::string::npos);
    }
    CHECK(notes_on_value("\xef\xbb\xbf"
                         "canary\r")
              .size() == 2);
}

TEST_CASE("Value notes: find nothing in ordinary text and in bytes") {
    for (const std::string_view value : {""sv, "canary"sv, "a\nb\n"sv, "a\rb"sv, "\0\r\n\0"sv}) {
        CHECK(notes_on_value(value).empty());
    }
}

TEST_CASE("Value notes: tell one line with its newline from other values") {
    CHECK(is_line_with_newline("canary\n"));
    CHECK(is_line_with_newline("canary\r\n"));
    for (const std::string_view value :
         {""sv, "\n"sv, "canary"sv, "a\nb\n"sv, "a\nb"sv, "a\n\n"sv}) {
        CHECK_FALSE(is_line_with_newline(value));
    }
}

TEST_CASE("Bracketed paste: is removed wherever it stands in a line") {
    const auto bare = [](std::string_view text) {
        return std::string(without_paste_brackets(text).characters());
    };
    CHECK(bare("ab") == "ab");
    CHECK(bare("\x1b[200~ab\x1b[201~") == "ab");
    CHECK(bare("a\x1b[200~b\x1b[201~c\x1b[200~\x1b[201~") == "abc");
    CHECK(bare("\x1b[20").size() == 4);
}

TEST_CASE("Bracketed paste: is open from its begin to its end") {
    CHECK_FALSE(is_paste_open("ab", false));
    CHECK(is_paste_open("ab", true));
    CHECK(is_paste_open("\x1b[200~ab", false));
    CHECK_FALSE(is_paste_open("ab\x1b[201~", true));
    CHECK_FALSE(is_paste_open("\x1b[200~ab\x1b[201~", false));
    CHECK(is_paste_open("\x1b[201~\x1b[200~", true));
}

}  // namespace
}  // namespace secrets::ctl
