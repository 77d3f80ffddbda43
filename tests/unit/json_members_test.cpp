// SPDX-License-Identifier: Apache-2.0
// Promise: a member that is missing, or has another type, is found in no answer of another program.

#include "agentd/base/json_members.h"

#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

TEST_CASE("JSON members: finds members of the wanted type") {
    const auto value = parse_json(bytes_of(R"({"o":{"t":"x"},"a":[1],"n":-7,"b":true})"));
    const auto* object = value.if_object();
    CHECK(text_or_empty(find_object(object, "o"), "t") == "x");
    REQUIRE(find_array(object, "a") != nullptr);
    CHECK(find_array(object, "a")->size() == 1);
    REQUIRE(find_number(object, "n") != nullptr);
    CHECK(*find_number(object, "n") == -7);
    CHECK(is_true(object, "b"));
}

TEST_CASE("JSON members: finds none in a missing object, or of another type") {
    for (const char* text : {"", "[]", "null", "{", "{}", R"({"m":null})", R"({"m":1.5})"}) {
        CAPTURE(text);
        const auto value = parse_json(bytes_of(text));
        const auto* object = value.if_object();
        CHECK(find_object(object, "m") == nullptr);
        CHECK(find_array(object, "m") == nullptr);
        CHECK(find_text(object, "m") == nullptr);
        CHECK(find_number(object, "m") == nullptr);
        CHECK(text_or_empty(object, "m").empty());
        CHECK_FALSE(is_true(object, "m"));
    }
}

}  // namespace
}  // namespace secrets
