// SPDX-License-Identifier: Apache-2.0
// Promise: base64 is decoded to the byte, and what is not base64 to the letter is no value.

#include "agentd/base/base64.h"

#include <openssl/evp.h>

#include <string>

#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

std::string decoded(std::string_view text) {
    const auto value = decode_base64(std::as_bytes(std::span(text)));
    return value ? std::string(text_of(value->view().bytes())) : "(refused)";
}

std::string encoded(std::string_view bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                       reinterpret_cast<const unsigned char*>(bytes.data()),
                                       static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

TEST_CASE("Base64: decodes the examples of RFC 4648") {
    CHECK(decoded("").empty());
    CHECK(decoded("Zg==") == "f");
    CHECK(decoded("Zm8=") == "fo");
    CHECK(decoded("Zm9v") == "foo");
    CHECK(decoded("Zm9vYg==") == "foob");
    CHECK(decoded("Zm9vYmE=") == "fooba");
    CHECK(decoded("Zm9vYmFy") == "foobar");
}

TEST_CASE("Base64: decodes every byte in values of many lengths") {
    std::string bytes;
    for (int i = 0; i < 600; ++i) {
        CAPTURE(i);
        CHECK(decoded(encoded(bytes)) == bytes);
        bytes += static_cast<char>(i * 7);
    }
    const std::string zeros(5, '\0');
    CHECK(decoded("AAAAAAA=") == zeros);
    CHECK(decoded("+/+/") == "\xfb\xff\xbf");
    const std::string long_value(64UL * 1024, '\xff');
    CHECK(decoded(encoded(long_value)) == long_value);
}

TEST_CASE("Base64: rejects input that is not canonical") {
    for (const char* text : {
             "Z", "Zg", "Zg=", "Zm8", "Zm9vY",              // cut off
             "=", "==", "===", "====", "Z===", "Zm9v====",  // padding that
                                                            // there is not
             "Zg==Zg==", "Zm8=Zm8=", "Zg=v", "=Zg=",        // padding in the middle
             "Zm 9", "Zm9v\n", "\nZm9v", " Zm9", "Zm9v    ", "Zm9\t", "-_-_", "Zm9.", "Zm9$",
             "Zm9\xff", "Zm-9", "Zh==", "Z/==", "Zm9=",
             "Zm//Zm9=",  // bits behind the last byte
         }) {
        CAPTURE(text);
        CHECK(decoded(text) == "(refused)");
    }
    CHECK(decoded(std::string_view("Zm9\0", 4)) == "(refused)");
    CHECK(decoded(std::string_view("\0\0\0\0", 4)) == "(refused)");
}

TEST_CASE("Base64: reports how a text deviates and shows nothing of it") {
    struct Row {
        const char* text;
        const char* why;
    };
    const Row rows[] = {
        {"Zm9v\nYmFy", "white space or line breaks"},
        {"Zm9v\r\n", "white space or line breaks"},
        {"Zm 9v", "white space or line breaks"},
        {"Zm-_", "the variant for URLs"},
        {"Zm8_Zg", "the variant for URLs"},
        {"Zm8", "lacks padding"},
        {"Zg", "lacks padding"},
        {"Zg=", "lacks padding"},
        {"Z", "is cut off"},
        {"Zm9vY===", "is cut off"},
        {"Zm9v====", "more '='"},
        {"Zg===", "more '='"},
        {"Zg=v", "'=' before its end"},
        {"Zm9.", "a character that base64"},
        {"Zh==", "bits that belong to no byte"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        REQUIRE(decoded(row.text) == "(refused)");
        const std::string why =
            why_not_base64(std::as_bytes(std::span(std::string_view(row.text))));
        CHECK(why.find(row.why) != std::string::npos);
        CHECK(why.find("Z") == std::string::npos);
    }
}

TEST_CASE("Base64: accepts exactly the 64 characters of the alphabet") {
    int taken = 0;
    for (int byte = 0; byte < 256; ++byte) {
        const std::string text = std::string("AA") + static_cast<char>(byte) + "A";
        if (decoded(text) != "(refused)") ++taken;
    }
    CHECK(taken == 64);
}

}  // namespace
}  // namespace secrets
