// SPDX-License-Identifier: Apache-2.0
// Promise: what a node asks of a hub is read field by field, and what is not right in it is said.

#include "agentd/api/grant_body.h"

#include "common/base/limits.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets::api {
namespace {

/// The body with one field as `text` instead; without it where that is empty.
std::string body_with(const std::string& name = "", const std::string& text = "") {
    const std::pair<std::string, std::string> fields[] = {
        {"job", "12"},        {"step", "0"},      {"uid", "1001"},        {"node", "\"n1\""},
        {"ask", "\"TOKEN\""}, {"wait_ms", "500"}, {"patience_ms", "4000"}};
    std::string body;
    for (const auto& [field, usual] : fields) {
        const std::string& value = field == name ? text : usual;
        if (value.empty()) continue;
        body += (body.empty() ? "{" : ",") + ("\"" + field + "\":" + value);
    }
    return body + "}";
}

std::string refusal_of(const std::string& body) {
    const auto request = parse_grant(bytes_of(body));
    return request ? "(read)" : request.status().message();
}

TEST_CASE("Grant body: parses a request") {
    const auto request = parse_grant(bytes_of(body_with()));
    REQUIRE(request);
    CHECK(request->grant.job.value == 12);
    CHECK(request->grant.step.value == 0);
    CHECK(request->grant.uid.value == 1001);
    CHECK(request->grant.ask == "TOKEN");
    CHECK(request->grant.wait_milliseconds == 500);
    CHECK(request->patience == std::chrono::milliseconds(4000));
    CHECK(request->node == "n1");
    CHECK(refusal_of(" {\"node\" : \"n1\", \"ask\":\"\", \"job\":0,\"step\":4294967291,\n"
                     "\"uid\":0,\"patience_ms\":0,\"wait_ms\":0 } ") == "(read)");
    const auto escaped = parse_grant(bytes_of(body_with("ask", "\"A\\u002cB\\n\\\"\"")));
    REQUIRE(escaped);
    CHECK(escaped->grant.ask == "A,B\n\"");
}

TEST_CASE("Grant body: enforces the exact bounds of each number") {
    const std::pair<std::string, std::uint64_t> numbers[] = {{"job", UINT32_MAX},
                                                             {"step", UINT32_MAX},
                                                             {"uid", UINT32_MAX},
                                                             {"wait_ms", kMaxWaitMilliseconds},
                                                             {"patience_ms", 60000}};
    for (const auto& [name, most] : numbers) {
        CAPTURE(name);
        const std::string expected =
            "\"" + name + "\" must be a whole number from 0 to " + std::to_string(most);
        CHECK(refusal_of(body_with(name, "0")) == "(read)");
        CHECK(refusal_of(body_with(name, std::to_string(most))) == "(read)");
        for (const std::string& text :
             {std::to_string(most + 1), std::string("-1"), std::string("18446744073709551615"),
              std::string("99999999999999999999"), std::string("1.0"), std::string("1e2"),
              std::string("true"), std::string("null"), std::string("\"1\""), std::string("[1]"),
              std::string("{}"), std::string("\"\"")}) {
            CAPTURE(text);
            CHECK(refusal_of(body_with(name, text)).starts_with(expected));
        }
        CHECK(refusal_of(body_with(name, "1 ,\"" + name + "\":1"))
                  .starts_with("duplicate field '" + name + "'"));
        CHECK(refusal_of(body_with(name, "")) == expected);
    }
}

TEST_CASE("Grant body: enforces the exact length of each text") {
    const std::pair<std::string, std::size_t> texts[] = {{"ask", kMaxSpecBytes},
                                                         {"node", kMaxNodeNameBytes}};
    for (const auto& [name, most] : texts) {
        CAPTURE(name);
        const std::string expected =
            "\"" + name + "\" must be a string of at most " + std::to_string(most) + " bytes";
        const auto of = [](std::size_t length) { return "\"" + std::string(length, 'a') + "\""; };
        CHECK(refusal_of(body_with(name, of(0))) == "(read)");
        CHECK(refusal_of(body_with(name, of(most))) == "(read)");
        for (const std::string& text : {of(most + 1), std::string("1"), std::string("null"),
                                        std::string("[\"a\"]"), std::string("{\"a\":\"b\"}")}) {
            CHECK(refusal_of(body_with(name, text)).starts_with(expected));
        }
        CHECK(refusal_of(body_with(name, "\"a\",\"" + name + "\":\"a\""))
                  .starts_with("duplicate field '" + name + "'"));
        CHECK(refusal_of(body_with(name, "")) == expected);
    }
}

TEST_CASE("Grant body: rejects malformed JSON and unknown fields") {
    CHECK(refusal_of(body_with("job", "1,\"Job\":2")) == "the body has an unknown field");
    for (const char* text : {"", "{", "nonsense", "[]", "1", "\"x\"", "null", "{}"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) != "(read)");
    }
    CHECK(refusal_of("[]").starts_with("the body must be a JSON object"));
    CHECK(refusal_of("7").starts_with("the body must be a JSON object"));
    CHECK(refusal_of(body_with() + "x") != "(read)");
    CHECK(refusal_of(body_with() + body_with()) != "(read)");
    CHECK(refusal_of("{\"" + std::string(1000, 'a') + "\":1}") != "(read)");
    CHECK(refusal_of(body_with("job", "{\"a\":{\"a\":{}}}")) != "(read)");
    const std::string good = body_with();
    for (std::size_t length = 0; length < good.size(); ++length) {
        CHECK(refusal_of(good.substr(0, length)) != "(read)");
    }
    CHECK(refusal_of(std::string(100000, '[')) != "(read)");
}

TEST_CASE("Grant body: parses a report of holds and rejects wrong or duplicate fields") {
    const auto report_of = [](const std::string& body) {
        const auto held = parse_report(bytes_of(body));
        return held ? std::to_string(held->size()) + " held" : held.status().message();
    };
    const std::string one = "{\"job\":12,\"uid\":1001,\"ask\":\"TOKEN\",\"tag\":\"t\"}";
    CHECK(report_of("{\"holds\":[]}") == "0 held");
    CHECK(report_of("{\"holds\":[" + one + "," + one + "]}") == "2 held");
    CHECK(report_of("{\"holds\":[],\"holds\":[]}").starts_with("duplicate field 'holds'"));
    CHECK(report_of("{\"holds\":[{\"job\":1," + one.substr(1) + "]}")
              .starts_with("duplicate field 'job'"));
    for (const char* text : {"", "{}", "[]", "{\"holds\":1}", "{\"holds\":[1]}", "{\"holds\":[{}]}",
                             "{\"holds\":[[]]}", "{\"hold\":[]}", "{\"holds\":[],\"a\":1}"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_report(bytes_of(text)));
    }
}

TEST_CASE("Report body: accepts more grants than a node caches, and not any number") {
    std::vector<vault::CachedGrant> held(kMaxReportedGrants,
                                         {JobId{7}, Uid{1001}, "TOKEN", "", "\"1\""});
    CHECK(parse_report(bytes_of(print_report(held)))->size() == held.size());
    held.push_back(held.front());
    CHECK(parse_report(bytes_of(print_report(held))).status().message() ==
          "\"holds\" has 32769 elements; at most 32768 are accepted");
}

}  // namespace
}  // namespace secrets::api
