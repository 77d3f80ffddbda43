// SPDX-License-Identifier: Apache-2.0
// Promise: a value is in the answer to the byte, and the answer is JSON whatever the bytes are.

#include <boost/json/parse.hpp>

#include "agentd/aws/value_answer.h"
#include "agentd/base/base64.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets::aws {
namespace {

namespace json = boost::json;

Version version(std::string_view value, bool is_binary = false) {
    Version made{"eb41453f-25bb-4025-b7f4-850cfca0ce71",
                 {"AWSCURRENT", "MY \"STAGE\""},
                 {},
                 is_binary,
                 SecretBuffer(value.size())};
    made.created += std::chrono::milliseconds(1'700'000'000'007);
    const auto bytes = bytes_of(value);
    std::copy(bytes.begin(), bytes.end(), made.value.bytes().begin());
    return made;
}

std::string text_in(const SecretBuffer& buffer) {
    return std::string(text_of(buffer.view().bytes()));
}

json::object answer_of(const Version& version) {
    return json::parse(text_in(value_json({"the:arn", "NAME", &version}))).as_object();
}

/// Returns the value in an answer, and its form.
std::string value_in(const json::object& answer) {
    if (const auto* text = answer.if_contains("SecretString")) {
        CHECK_FALSE(answer.contains("SecretBinary"));
        return "text " + std::string(text->as_string());
    }
    const std::string encoded(answer.at("SecretBinary").as_string());
    const auto bytes = decode_base64(std::as_bytes(std::span(encoded)));
    REQUIRE(bytes);
    return "binary " + text_in(*bytes);
}

TEST_CASE("AWS value answer: has all that clients read, and no more") {
    const Version made = version("a value");
    CHECK(text_in(value_json({"the:arn", "NAME", &made})) ==
          R"({"ARN":"the:arn","Name":"NAME","VersionId":"eb41453f-25bb-4025-b7f4-850cfca0ce71",)"
          R"("SecretString":"a value","VersionStages":["AWSCURRENT","MY \"STAGE\""],)"
          R"("CreatedDate":1700000000.007})");
}

TEST_CASE("AWS value answer: any text is read back to the byte") {
    std::string all;
    for (char each = 0; each < 127; ++each) all += each;
    all += "\x7f größe € \xf0\x9f\x94\x91";
    for (const std::string& value : {std::string(), all, std::string("\0", 1),
                                     std::string("line\nline\r\n\t\"quoted\" \\ / ")}) {
        CHECK(value_in(answer_of(version(value))) == "text " + value);
    }
}

TEST_CASE("AWS value answer: what was sent as binary is answered as binary") {
    CHECK(value_in(answer_of(version("text", /*is_binary=*/true))) == "binary text");
}

TEST_CASE("AWS value answer: bytes that are not UTF-8 are answered as binary") {
    std::string all;
    for (int each = 0; each < 256; ++each) all += static_cast<char>(each);
    CHECK(value_in(answer_of(version(all))) == "binary " + all);
    CHECK(value_in(answer_of(version("a\xff"))) == "binary a\xff");
}

TEST_CASE("AWS value answer: a batch has values, errors and where it goes on") {
    const Version one = version("first"), other = version("second", /*is_binary=*/true);
    const std::vector<ValueAnswer> answers{{"arn:1", "ONE", &one}, {"arn:2", "TWO", &other}};
    const std::vector<BatchError> errors{
        {"A\"B", {ErrorType::resource_not_found, "Secrets Manager can't find it."}},
        {"C", {ErrorType::invalid_request, "no"}}};
    const auto batch = json::parse(text_in(batch_json(answers, errors, "more"))).as_object();
    const auto& values = batch.at("SecretValues").as_array();
    REQUIRE(values.size() == 2);
    CHECK(value_in(values[0].as_object()) == "text first");
    CHECK(value_in(values[1].as_object()) == "binary second");
    CHECK(values[1].at("Name").as_string() == "TWO");
    const auto& wrong = batch.at("Errors").as_array();
    REQUIRE(wrong.size() == 2);
    CHECK(wrong[0].at("SecretId").as_string() == "A\"B");
    CHECK(wrong[0].at("ErrorCode").as_string() == "ResourceNotFoundException");
    CHECK(wrong[0].at("Message").as_string() == "Secrets Manager can't find it.");
    CHECK(batch.at("NextToken").as_string() == "more");
}

TEST_CASE("AWS value answer: an empty batch has no token") {
    CHECK(text_in(batch_json({}, {}, "")) == R"({"SecretValues":[],"Errors":[]})");
}

TEST_CASE("UTF-8: only well-formed text is accepted") {
    const auto accepts = [](std::string_view text) {
        return is_utf8(std::as_bytes(std::span(text)));
    };
    for (const char* good : {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                             "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf1\x80\x80\x80",
                             "\xf4\x8f\xbf\xbf", "a\xc3\xa9z"}) {
        CHECK(accepts(good));
    }
    for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f", "\xc2\xc0",
                            "\xe0\x9f\xbf", "\xe0\xa0", "\xe1\x80\x7f", "\xe1\x80\xc0",
                            "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf0\x90\x80\x7f",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc3"}) {
        CHECK_FALSE(accepts(bad));
    }
}

}  // namespace
}  // namespace secrets::aws
