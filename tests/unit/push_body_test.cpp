// SPDX-License-Identifier: Apache-2.0
// Promise: a push is understood to the byte or refused with what is wrong and where, and no
// sentence shows a value.

#include "agentd/api/push_body.h"

#include <array>
#include <string>
#include <utility>

#include "tests/unit/catch.h"
#include "tests/unit/keeps_quiet.h"
#include "tests/unit/secrets_of.h"

namespace secrets::api {
namespace {

static_assert(kKeepsQuiet<service::PushRequest>);

constexpr std::size_t kValueBytes = 16;

StatusOr<service::PushRequest> parse(std::string_view text) {
    return parse_push(std::as_bytes(std::span(text)), kValueBytes);
}

std::string value_of(std::string_view text) {
    auto request = parse(text);
    REQUIRE(request.ok());
    REQUIRE(request->secrets.size() == 1);
    return std::string(text_of(request->secrets.front().value.view().bytes()));
}

TEST_CASE("Push body: parses an owner and a lifetime and secrets of two scopes") {
    auto request = parse(
        R"({"owner":"alice","ttl":"12h","workspace":{"A":"a"},"user":{"A":"b","C":{"base64":"AAE="}}})");
    REQUIRE(request.ok());
    CHECK(request->owner == "alice");
    CHECK(request->ttl == "12h");
    REQUIRE(request->secrets.size() == 3);
    CHECK(request->secrets[0].scope == vault::Scope::workspace);
    CHECK(request->secrets[1].scope == vault::Scope::user);
    CHECK(text_of(request->secrets[2].value.view().bytes()) == std::string_view("\0\1", 2));
}

TEST_CASE("Push body: parses the job with which the run ends") {
    CHECK(parse(R"({"until_job":4294967295})")->until_job == JobId{4294967295U});
    CHECK_FALSE(parse("{}")->until_job);
    const std::string expected =
        "\"until_job\": expected the id of a job, a number from 1 to 4294967295, not ";
    for (const auto& [number, found] : std::to_array<std::pair<std::string, std::string>>(
             {{"0", "another number"},
              {"-1", "another number"},
              {"4294967296", "another number"},
              {"1.5", "another number"},
              {"18446744073709551615", "another number"},
              {"\"12\"", "a string"},
              {"null", "null"}})) {
        const std::string refusal = parse("{\"until_job\":" + number + "}").status().message();
        CHECK(refusal.starts_with(expected + found));
    }
}

TEST_CASE("Push body: returns values byte for byte") {
    struct Case {
        std::string_view json;
        std::string_view value;
    };
    const auto cases = std::to_array<Case>({
        {R"j("$bar `id` $(id)")j", "$bar `id` $(id)"},
        {R"("a\"b'c\\")", "a\"b'c\\"},
        {R"(" \n\t\u0001 ")", " \n\t\x01 "},
        {"\"\xc3\xa4\\u00e4\"", "\xc3\xa4\xc3\xa4"},
        {R"("")", ""},
        {R"({"base64":""})", ""},
    });
    for (const Case& each : cases) {
        const std::string body = "{\"user\":{\"A\":" + std::string(each.json) + "}}";
        CHECK(value_of(body) == each.value);
    }
}

TEST_CASE("Push body: accepts a value of the exact limit and rejects one more byte") {
    CHECK(value_of(R"({"user":{"A":"0123456789abcdef"}})").size() == kValueBytes);
    CHECK(value_of(R"({"user":{"A":{"base64":"MDEyMzQ1Njc4OWFiY2RlZg=="}}})") ==
          "0123456789abcdef");
    CHECK_FALSE(parse(R"({"user":{"A":"0123456789abcdefg"}})").ok());
    CHECK_FALSE(parse(R"({"user":{"A":{"base64":"MDEyMzQ1Njc4OWFiY2RlZmc="}}})").ok());
}

struct Refused {
    std::string_view text;
    std::string_view what;
    std::string_view where;
};

/// Every way in which a push can be wrong; MARKER stands where a value might.
constexpr auto kRefused = std::to_array<Refused>({
    {"", "the JSON is malformed: incomplete JSON", "line 1, column 1"},
    {" ", "the JSON is malformed: incomplete JSON", "line 1, column 2"},
    {"{", "the JSON is malformed: incomplete JSON", "line 1, column 2"},
    {R"({"user":{"A":"MARKER)", "the JSON is malformed: incomplete JSON", "line 1, column 21"},
    {R"({"user":{"A":"MARKER"}}})", "the JSON is malformed: extra data", "line 1, column 24"},
    {R"({"user":{"A":"MARKER"}} {})", "the JSON is malformed: extra data", "line 1, column 25"},
    {R"({"user":{"A":"MARKER",}})", "the JSON is malformed: syntax error", "line 1, column 23"},
    {R"({"user":{"A":"MARKER" "B"}})", "the JSON is malformed: syntax error", "line 1, column 23"},
    {R"({"user":{"A":MARKER}})", "the JSON is malformed: syntax error", "line 1, column 14"},
    {R"({"user":{'A':"MARKER"}})", "the JSON is malformed: syntax error", "line 1, column 10"},
    {R"({"user":{"A":"MA\xRKER"}})", "the JSON is malformed: syntax error", "line 1, column 18"},
    {R"({"user":{"A":"MA\u12RKER"}})", "the JSON is malformed: expected hex digit",
     "line 1, column 21"},
    {R"({"user":{"A":"MARKER" /* */}})", "the JSON is malformed: syntax error",
     "line 1, column 23"},
    {"{\n  \"user\": {\n    \"A\" \"MARKER\"\n  }\n}", "the JSON is malformed: syntax error",
     "line 3, column 9"},
    {"{\n\"user\":{\"A\":\"MARKER\"}\n}\n\nx", "the JSON is malformed: extra data",
     "line 5, column 1"},

    {"[]", "expected an object, not a list", "line 1, column 1"},
    {R"(["MARKER"])", "expected an object, not a list", "line 1, column 1"},
    {R"("MARKER")", "expected an object, not a string", "line 1, column 8"},
    {"7", "expected an object, not a number", "line 1, column 2"},
    {"true", "expected an object, not true or false", "line 1, column 1"},
    {"null", "expected an object, not null", "line 1, column 1"},

    {R"({"users":{}})",
     "unknown field 'users'; expected one of: owner, ttl, until_job, workspace, user",
     "line 1, column 8"},
    {R"({"":{}})", "unknown field ''; expected one of: owner, ttl, until_job, workspace, user",
     "line 1, column 3"},
    {R"({"owner":"a","owner":"MARKER"})", "duplicate field \"owner\"", "line 1, column 20"},
    {R"({"user":{},"user":{}})", "duplicate field \"user\"", "line 1, column 17"},
    {R"({"owner":7})", "\"owner\": expected a string, not a number", "line 1, column 11"},
    {R"({"owner":{"A":"MARKER"}})", "\"owner\": expected a string, not an object",
     "line 1, column 10"},
    {R"({"ttl":["MARKER"]})", "\"ttl\": expected a string, not a list", "line 1, column 8"},
    {R"({"ttl":null})", "\"ttl\": expected a string, not null", "line 1, column 8"},
    {R"({"user":"MARKER"})", "\"user\": expected an object, not a string", "line 1, column 16"},
    {R"({"workspace":["MARKER"]})", "\"workspace\": expected an object, not a list",
     "line 1, column 14"},
    {R"({"workspace":false})", "\"workspace\": expected an object, not true or false",
     "line 1, column 14"},

    {R"({"user":{"A":12345678901234567890123}})",
     R"("user", 'A': expected a string or {"base64": "..."}, not a number)", "line 1, column 37"},
    {R"({"user":{"A":-3}})", R"("user", 'A': expected a string or {"base64": "..."}, not a number)",
     "line 1, column 16"},
    {R"({"user":{"A":1.5e3}})",
     R"("user", 'A': expected a string or {"base64": "..."}, not a number)", "line 1, column 19"},
    {R"({"user":{"A":null}})", R"("user", 'A': expected a string or {"base64": "..."}, not null)",
     "line 1, column 14"},
    {R"({"user":{"A":true}})",
     R"("user", 'A': expected a string or {"base64": "..."}, not true or false)",
     "line 1, column 14"},
    {R"({"user":{"A":["MARKER"]}})",
     R"("user", 'A': expected a string or {"base64": "..."}, not a list)", "line 1, column 14"},
    {R"({"workspace":{"A":"MARKER","B":"","A":"MARKER"}})", R"("workspace": duplicate name 'A')",
     "line 1, column 37"},
    {R"({"user":{"A":"0123456789MARKERM"}})",
     R"("user", 'A': the value is too long; at most 16 bytes are accepted)", "line 1, column 32"},
    {R"({"user":{"A":"0123456789abcdefMARKERMARKERMARKERMARKERMARKER"}})",
     R"("user", 'A': the value is too long; at most 16 bytes are accepted)", "line 1, column 61"},

    {R"({"user":{"A":{}}})", R"("user", 'A': "base64" is missing)", "line 1, column 15"},
    {R"({"user":{"A":{"base64":"QQ==","base64":"QQ=="}}})",
     R"("user", 'A': unknown or duplicate field 'base64'; expected only "base64")",
     "line 1, column 38"},
    {R"({"user":{"A":{"hex":"MARKER"}}})",
     R"("user", 'A': unknown or duplicate field 'hex'; expected only "base64")",
     "line 1, column 19"},
    {R"({"user":{"A":{"base64":"QQ==","x":"MARKER"}}})",
     R"("user", 'A': unknown or duplicate field 'x'; expected only "base64")", "line 1, column 33"},
    {R"({"user":{"A":{"base64":7}}})", R"("user", 'A', "base64": expected a string, not a number)",
     "line 1, column 25"},
    {R"({"user":{"A":{"base64":{"base64":"MARKER"}}}})",
     R"("user", 'A', "base64": expected a string, not an object)", "line 1, column 24"},
    {R"({"user":{"A":{"base64":["MARKER"]}}})",
     R"("user", 'A', "base64": expected a string, not a list)", "line 1, column 24"},
    {R"({"user":{"A":{"base64":null}}})", R"("user", 'A', "base64": expected a string, not null)",
     "line 1, column 24"},
    {R"({"user":{"A":{"base64":"MARKER"}}})",
     R"("user", 'A': "base64" is not valid base64: it lacks padding; add '=' until its length is a multiple of 4)",
     "line 1, column 31"},
    {R"({"user":{"A":{"base64":"QUE =AA="}}})",
     R"j("user", 'A': "base64" is not valid base64: it contains white space or line breaks; write it as one line (base64 -w 0))j",
     "line 1, column 33"},
    {R"({"user":{"A":{"base64":"QQ==QQ=="}}})",
     R"("user", 'A': "base64" is not valid base64: it has a '=' before its end)",
     "line 1, column 33"},
    {R"({"user":{"A":{"base64":"QR=="}}})",
     R"("user", 'A': "base64" is not valid base64: its last character has bits that belong to no byte)",
     "line 1, column 29"},
    {R"({"user":{"A":{"base64":"MDEyMzQ1Njc4OWFiY2RlZmc="}}})",
     R"("user", 'A': the value is too long; at most 16 bytes are accepted)", "line 1, column 49"},
    {R"({"user":{"A":{"base64":"MDEyMzQ1Njc4OWFiY2RlZmcxMjM0NTY3ODkw"}}})",
     R"("user", 'A': the value is too long; at most 16 bytes are accepted)", "line 1, column 61"},
});

TEST_CASE("Push body: reports each error with its position and without a value") {
    for (const Refused& row : kRefused) {
        CAPTURE(row.text);
        const auto request = parse(row.text);
        REQUIRE_FALSE(request.ok());
        const std::string& sentence = request.status().message();
        CHECK(sentence == std::string(row.what) + " (" + std::string(row.where) + " of the body)");
        CHECK(sentence.find("MARKER") == std::string::npos);
    }
}

TEST_CASE("Push body: accepts a byte order mark and names UTF-16") {
    CHECK(value_of("\xef\xbb\xbf{\"user\":{\"A\":\"x\"}}") == "x");
    using namespace std::string_view_literals;
    for (const std::string_view text :
         {"\xff\xfe{\0}\0"sv, "\xfe\xff\0{\0}"sv, "{\0}\0"sv, "\0{\0}"sv}) {
        CHECK(parse(text).status().message().starts_with("the body is UTF-16"));
    }
}

TEST_CASE("Push body: rejects invalid UTF-8 wherever it occurs") {
    for (const std::string_view bytes :
         {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"}) {
        for (const auto& [before, after] :
             {std::pair(R"({"user":{"A":")", R"("}})"), std::pair(R"({"user":{")", R"(":""}})"),
              std::pair(R"({"owner":")", R"("})")}) {
            const auto request = parse(before + std::string(bytes) + after);
            CAPTURE(before);
            REQUIRE_FALSE(request.ok());
            CHECK(request.status().message().starts_with("the JSON is malformed: "));
        }
    }
    CHECK_FALSE(parse(R"({"user":{"A":"\ud800x"}})").ok());
    CHECK_FALSE(parse(std::string_view("{\"user\":{\"A\":\"a\0b\"}}", 21)).ok());
}

TEST_CASE("Push body: rejects overlong fields and names") {
    const std::string marker = "MARKER-" + std::string(300, 'x');
    for (const char* field : {"owner", "ttl"}) {
        const auto request = parse("{\"" + std::string(field) + "\":\"" + marker + "\"}");
        REQUIRE_FALSE(request.ok());
        CHECK(
            request.status().message().starts_with("\"" + std::string(field) + "\" is too long ("));
    }
    for (const std::size_t length : {1025UL, 100'000UL}) {
        for (const char* before : {"{\"", "{\"user\":{\"", "{\"user\":{\"A\":{\""}) {
            const auto request = parse(before + std::string(length, 'n') + "\":\"\"}}}");
            REQUIRE_FALSE(request.ok());
            CHECK(request.status().message().starts_with("a name is too long ("));
        }
    }
    CHECK(parse("{\"user\":{\"" + std::string(1024, 'n') + "\":\"\"}}").ok());
}

TEST_CASE("Push body: accepts an owner of usual length under a small value limit") {
    const std::string owner(32, 'o');
    const std::string body = "{\"owner\":\"" + owner + R"(","ttl":"3650d","user":{"A":"a"}})";
    const auto request = parse_push(std::as_bytes(std::span(body)), 1);
    REQUIRE(request.ok());
    CHECK(request->owner == owner);
    CHECK(request->ttl == "3650d");
}

TEST_CASE("Push body: accepts a push without owner and lifetime and secrets") {
    for (const char* text :
         {"{}", " \t\r\n{ } \n", R"({"user":{}})", R"({"workspace":{},"user":{}})"}) {
        const auto request = parse(text);
        REQUIRE(request.ok());
        CHECK_FALSE(request->owner.has_value());
        CHECK_FALSE(request->ttl.has_value());
        CHECK(request->secrets.empty());
    }
    CHECK(parse(R"({"owner":"","ttl":""})")->owner == "");
}

TEST_CASE("Push body: decodes every escape and byte even across parser buffers") {
    CHECK(value_of(R"({"user":{"A":"\"\\\/\b\f\n\r\t"}})") == "\"\\/\b\f\n\r\t");
    CHECK(value_of(R"({"user":{"A":"\u0000\u007f\u00e4\u20AC"}})") ==
          std::string("\0\x7f\xc3\xa4\xe2\x82\xac", 7));
    CHECK(value_of(R"({"user":{"A":"\ud83d\udd11"}})") == "\xf0\x9f\x94\x91");
    // Longer than the parser's own buffer, with an escape at every place of it.
    std::string escaped;
    std::string value;
    for (int n = 0; n < 9000; ++n) {
        escaped += n % 7 == 0 ? "\\n" : "x";
        value += n % 7 == 0 ? '\n' : 'x';
    }
    const std::string body = "{\"user\":{\"A\":\"" + escaped + "\"}}";
    const auto request = parse_push(std::as_bytes(std::span(body)), value.size());
    REQUIRE(request.ok());
    CHECK(text_of(request->secrets.front().value.view().bytes()) == value);
    const auto bytes = std::as_bytes(std::span(body));
    CHECK(parse_push(bytes, value.size() - 1).status().code() == StatusCode::too_large);
    CHECK(parse_push(bytes.first(9), 1).status().code() == StatusCode::invalid_argument);
}

TEST_CASE("Push body: keeps adjacent values separate") {
    const auto request = parse(
        R"({"user":{"A":"0123456789abcdef","B":"","C":{"base64":"QQ=="},"D":"d"},"workspace":{"A":"w"}})");
    REQUIRE(request.ok());
    std::string listed;
    for (const vault::NewSecret& secret : request->secrets) {
        listed += std::string(vault::scope_word(secret.scope)) + " " + secret.name + "=" +
                  std::string(text_of(secret.value.view().bytes())) + " ";
    }
    CHECK(listed == "user A=0123456789abcdef user B= user C=A user D=d workspace A=w ");
}

}  // namespace
}  // namespace secrets::api
