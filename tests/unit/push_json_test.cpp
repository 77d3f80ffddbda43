// Promise: a push is understood to the byte or refused with what is wrong and where, and no
// sentence shows a value.

#include "agentd/doors/push_json.h"

#include "tests/unit/catch.h"
#include "tests/unit/secrets_of.h"

namespace secrets::doors {
namespace {

constexpr std::size_t kValueBytes = 16;

Result<desk::PushRequest> parse(std::string_view text) {
    return parse_push(std::as_bytes(std::span(text)), kValueBytes);
}

std::string value_of(std::string_view text) {
    auto request = parse(text);
    REQUIRE(request.ok());
    REQUIRE(request->secrets.size() == 1);
    return std::string(text_of(request->secrets.front().value.view().bytes()));
}

TEST_CASE("a push has an owner, a lifetime and secrets of two scopes") {
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

TEST_CASE("values arrive byte for byte") {
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

TEST_CASE("a value of exactly the limit is taken, and one byte more is not") {
    CHECK(value_of(R"({"user":{"A":"0123456789abcdef"}})").size() == kValueBytes);
    CHECK(value_of(R"({"user":{"A":{"base64":"MDEyMzQ1Njc4OWFiY2RlZg=="}}})") ==
          "0123456789abcdef");
    CHECK_FALSE(parse(R"({"user":{"A":"0123456789abcdefg"}})").ok());
    CHECK_FALSE(parse(R"({"user":{"A":{"base64":"MDEyMzQ1Njc4OWFiY2RlZmc="}}})").ok());
}

TEST_CASE("what is wrong is said, with its place") {
    struct Case {
        std::string_view text;
        std::string_view sentence;
        std::string_view place;
    };
    const auto refused = std::to_array<Case>({
        {"", "the JSON is malformed", "line 1, column 1"},
        {"{\"user\":\n{\"A\" \"x\"}}", "the JSON is malformed", "line 2, column 6"},
        {R"({"user":{}} x)", "the JSON is malformed", "line 1, column 13"},
        {R"([])", "an object is expected, not a list", "line 1"},
        {R"("x")", "an object is expected, not a string", "line 1"},
        {R"({"users":{}})", "the field 'users' is not known", "line 1"},
        {R"({"owner":"a","owner":"b"})", "the field \"owner\" stands twice", "line 1"},
        {R"({"owner":7})", "\"owner\": a string is expected, not a number", "line 1"},
        {R"({"user":"x"})", "\"user\": an object is expected, not a string", "line 1"},
        {R"({"user":[]})", "\"user\": an object is expected, not a list", "line 1"},
        {R"({"user":{"A":null}})",
         "\"user\", 'A': a string or {\"base64\": \"...\"} is expected, not null", "line 1"},
        {R"({"user":{"A":1}})", "not a number", "line 1"},
        {R"({"user":{"A":true}})", "not true or false", "line 1"},
        {R"({"user":{"A":{}}})", "\"user\", 'A': \"base64\" is missing", "line 1"},
        {R"({"user":{"A":{"hex":"00"}}})", "the field 'hex' is not known", "line 1"},
        {R"({"user":{"A":{"base64":1}}})", "\"base64\": a string is expected, not a number",
         "line 1"},
        {R"({"user":{"A":{"base64":"A"}}})", "\"base64\" does not hold base64", "line 1"},
        {R"({"user":{"A":{"base64":"AA E"}}})", "\"base64\" does not hold base64", "line 1"},
        {R"({"user":{"A":{"base64":"A===" }}})", "\"base64\" does not hold base64", "line 1"},
        {R"({"user":{"A":{"base64":"AA==AA=="}}})", "\"base64\" does not hold base64", "line 1"},
        {R"({"workspace":{"A":"1","A":"2"}})", "the name 'A' stands twice", "line 1"},
        {"{\"user\":{\"A\":\"\xff\"}}", "the JSON is malformed", "line 1"},
    });
    for (const Case& each : refused) {
        CAPTURE(each.text);
        const auto request = parse(each.text);
        REQUIRE_FALSE(request.ok());
        CAPTURE(request.error().sentence);
        CHECK(request.error().sentence.find(each.sentence) != std::string::npos);
        CHECK(request.error().sentence.find(each.place) != std::string::npos);
    }
}

TEST_CASE("no sentence of a refusal shows a value") {
    for (const std::string_view text : {
             R"({"user":{"A":"MARKER-MARKER-MARKER"}})",
             R"({"user":{"A":{"base64":"MARKER"}}})",
             R"({"user":{"A":"MARKER")",
             R"({"user":{"A":"MARKER" "B"}})",
             R"({"user":{"A":"MARKER","A":"MARKER"}})",
             R"({"owner":{"A":"MARKER"}})",
         }) {
        const auto request = parse(text);
        REQUIRE_FALSE(request.ok());
        CHECK(request.error().sentence.find("MARKER") == std::string::npos);
    }
}

}  // namespace
}  // namespace secrets::doors
