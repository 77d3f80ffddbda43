// SPDX-License-Identifier: Apache-2.0
// Promise: the question and the answer about what a user is about to submit are read as they were
// printed, and what is no such question is refused with its field.

#include "agentd/api/check_body.h"

#include "common/base/limits.h"
#include "tests/unit/catch.h"

namespace secrets::api {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

TEST_CASE("Check body: parses a request as it was printed", "[check_json]") {
    const SubmitCheckRequest asked{Uid{4294967294}, "A=\"B\",run:x\n\xc3\xbc", "login"};
    const auto read = parse_check(bytes(print_check(asked)));
    REQUIRE(read.ok());
    CHECK(read->uid == asked.uid);
    CHECK(read->spec == asked.spec);
    CHECK(read->node == asked.node);
}

TEST_CASE("Check body: rejects a malformed request and names the field", "[check_json]") {
    const std::string rest = R"(,"node":"n"})";
    for (const auto& [text, sentence] : std::initializer_list<std::pair<std::string, std::string>>{
             {"", "the body must be a JSON object"},
             {"[]", "the body must be a JSON object"},
             {R"({"uid":1)", "the body must be a JSON object"},
             {R"({"ask":"A")" + rest, R"("uid" must be the number of a user)"},
             {R"({"uid":-1,"ask":"A")" + rest, R"("uid" must be the number of a user)"},
             {R"({"uid":4294967296,"ask":"A")" + rest, R"("uid" must be the number of a user)"},
             {R"({"uid":1.0,"ask":"A")" + rest, R"("uid" must be the number of a user)"},
             {R"({"uid":1)" + rest, R"("ask" must be a string of at most 8192 bytes)"},
             {R"({"uid":1,"ask":")" + std::string(8193, 'A') + '"' + rest,
              R"("ask" must be a string of at most 8192 bytes)"},
             {R"({"uid":1,"ask":"A"})", R"("node" must be a string of at most 64 bytes)"},
             {R"({"uid":1,"ask":"A","more":1)" + rest, "the body has an unknown field"}}) {
        CAPTURE(text);
        const auto read = parse_check(bytes(text));
        REQUIRE_FALSE(read.ok());
        CHECK(read.status().message() == sentence);
    }
}

TEST_CASE("Check body: prints and reads a verdict with or without a message", "[check_json]") {
    CHECK(verdict_json(Status()) == "{\"ok\":true}\n");
    const Status refusal{StatusCode::not_found, "secret A is not set for alice"};
    CHECK(verdict_json(refusal) ==
          "{\"ok\":false,\"sentence\":\"secret A is not set for alice\"}\n");
    CHECK(sentence_in_verdict(bytes(verdict_json(refusal))) == refusal.message());
    CHECK(sentence_in_verdict(bytes(verdict_json(Status()))).empty());
    CHECK(sentence_in_verdict(bytes("")).empty());
    CHECK(sentence_in_verdict(bytes("{\"sentence\":1}")).empty());
    CHECK(sentence_in_verdict(bytes(R"({"sentence":"a\u001b[1m\nb"})")).find('\x1b') ==
          std::string::npos);
}

}  // namespace
}  // namespace secrets::api
