// SPDX-License-Identifier: Apache-2.0
// Promise: bytes become the hex digits that peers compare, and a part of a URL arrives as it was,
// whatever bytes it has.

#include "common/base/text_encoding.h"

#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

TEST_CASE("TextEncoding: prints bytes as lower-case hex digits") {
    CHECK(to_hex({}).empty());
    CHECK(to_hex(bytes_of(std::string("\x00\x0f\xa5\xff", 4))) == "000fa5ff");
}

TEST_CASE("TextEncoding: percent-encodes all but unreserved characters") {
    CHECK(percent_encoded("aZ09-._~") == "aZ09-._~");
    CHECK(percent_encoded("a/b c?d=e&f%") == "a%2Fb%20c%3Fd%3De%26f%25");
    CHECK(percent_encoded("a/b c", "/") == "a/b%20c");
    CHECK(percent_encoded(std::string("\x00\x7f\xff", 3)) == "%00%7F%FF");
}

TEST_CASE("TextEncoding: percent-decodes what it encoded, each byte") {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
    CHECK(percent_decoded(percent_encoded(all)) == all);
    CHECK(percent_decoded("%2f%2F") == "//");
    CHECK(percent_decoded("a+b") == "a+b");
}

TEST_CASE("TextEncoding: rejects malformed escapes") {
    for (const char* text : {"%", "a%", "%2", "%2g", "%g2", "% 2", "%-1", "%+1", "%%20"}) {
        CAPTURE(text);
        CHECK_FALSE(percent_decoded(text));
    }
}

TEST_CASE("TextEncoding: removes one byte order mark of UTF-8") {
    CHECK(without_byte_order_mark("\xef\xbb\xbf"
                                  "a") == "a");
    CHECK(without_byte_order_mark("\xef\xbb\xbf\xef\xbb\xbf") == "\xef\xbb\xbf");
    CHECK(without_byte_order_mark("\xef\xbb") == "\xef\xbb");
    CHECK(without_byte_order_mark("").empty());
}

TEST_CASE("TextEncoding: names UTF-16") {
    using namespace std::string_view_literals;
    CHECK(utf16_name("\xff\xfe"
                     "a\0"sv) == "UTF-16");
    CHECK(utf16_name("\xfe\xff\0a"sv) == "UTF-16");
    CHECK(utf16_name("a\0b\0"sv) == "UTF-16LE");
    CHECK(utf16_name("\0a\0b"sv) == "UTF-16BE");
    for (const std::string_view text : {""sv, "a"sv, "\0"sv, "\0\0"sv, "ab"sv,
                                        "\xef\xbb\xbf"
                                        "a"sv}) {
        CHECK(utf16_name(text).empty());
    }
}

TEST_CASE("TextEncoding: prints times in UTC as RFC 3339") {
    CHECK(utc_text(0) == "1970-01-01T00:00:00Z");
    CHECK(utc_text(1795622400) == "2026-11-25T16:00:00Z");
}

}  // namespace
}  // namespace secrets
