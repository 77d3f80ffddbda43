// SPDX-License-Identifier: Apache-2.0
// Promise: a description has what is set and nothing else, under the names that clients read.

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "agentd/aws/description.h"
#include "tests/unit/catch.h"

namespace secrets::aws {
namespace {

namespace json = boost::json;

Milliseconds at(std::int64_t milliseconds) {
    return Milliseconds(std::chrono::milliseconds(milliseconds));
}

Description plain(const std::string& name, std::int64_t created = 1000) {
    return {.arn = "arn:" + name, .name = name, .created = at(created), .changed = at(2500)};
}

Description full() {
    Description secret = plain("NAME");
    secret.text = "a token";
    secret.kms_key = "alias/key";
    secret.tags = {{"team", "genomics"}, {"b", ""}};
    secret.used = at(3000);
    secret.deletion = at(4000);
    secret.versions = {{"one", {"AWSPREVIOUS", "MINE"}, at(500)}, {"two", {"AWSCURRENT"}, at(750)}};
    return secret;
}

std::vector<std::string> names_of(std::span<const Description> secrets) {
    std::vector<std::string> names;
    for (const Description& each : secrets) names.push_back(each.name);
    return names;
}

TEST_CASE("AWS description: a secret without anything has names and times only") {
    CHECK(describe_json(plain("NAME")) ==
          json::parse(R"({"ARN":"arn:NAME","Name":"NAME","CreatedDate":1.0,"LastChangedDate":2.5})")
              .as_object());
}

TEST_CASE("AWS description: all that is set is there") {
    CHECK(describe_json(full()) == json::parse(R"({
        "ARN": "arn:NAME", "Name": "NAME", "Description": "a token", "KmsKeyId": "alias/key",
        "CreatedDate": 1.0, "LastChangedDate": 2.5, "LastAccessedDate": 3.0, "DeletedDate": 4.0,
        "Tags": [{"Key": "team", "Value": "genomics"}, {"Key": "b", "Value": ""}],
        "VersionIdsToStages": {"one": ["AWSPREVIOUS", "MINE"], "two": ["AWSCURRENT"]}})")
                                       .as_object());
}

TEST_CASE("AWS description: tags that were all removed are an empty list") {
    Description secret = plain("NAME");
    secret.tags.emplace();
    CHECK(describe_json(secret).at("Tags") == json::array());
}

TEST_CASE("AWS description: a list calls the versions by its own name") {
    const std::vector<Description> secrets{full(), plain("OTHER")};
    const json::object answer = list_json(secrets, "");
    CHECK_FALSE(answer.contains("NextToken"));
    const json::array& list = answer.at("SecretList").as_array();
    REQUIRE(list.size() == 2);
    CHECK(list[0].at("SecretVersionsToStages").at("two") == json::array{"AWSCURRENT"});
    CHECK_FALSE(list[0].as_object().contains("VersionIdsToStages"));
    CHECK(list[1].at("Name") == "OTHER");
    CHECK(list_json({}, "more") == json::parse(R"({"SecretList":[],"NextToken":"more"})"));
}

TEST_CASE("AWS description: versions have labels and times") {
    CHECK(versions_json(full()) == json::parse(R"({"ARN": "arn:NAME", "Name": "NAME", "Versions": [
        {"VersionId": "one", "VersionStages": ["AWSPREVIOUS", "MINE"], "CreatedDate": 0.5},
        {"VersionId": "two", "VersionStages": ["AWSCURRENT"], "CreatedDate": 0.75}]})")
                                       .as_object());
}

TEST_CASE("AWS description: milliseconds of a time are kept") {
    const json::object answer = describe_json(plain("NAME", 1'700'000'000'007));
    const auto again = json::parse(json::serialize(answer));
    CHECK(again.at("CreatedDate").as_double() == 1'700'000'000.007);
}

TEST_CASE("AWS description: a list is sorted by what the client asks for") {
    std::vector<Description> secrets{plain("c", 1), plain("a", 2), plain("b", 2)};
    secrets[0].changed = at(9);
    secrets[1].used = at(5);
    secrets[2].used = at(6);
    sort(secrets, SortBy::created, false);
    CHECK(names_of(secrets) == std::vector<std::string>{"c", "a", "b"});
    sort(secrets, SortBy::created, true);
    CHECK(names_of(secrets) == std::vector<std::string>{"b", "a", "c"});
    sort(secrets, SortBy::name, false);
    CHECK(names_of(secrets) == std::vector<std::string>{"a", "b", "c"});
    sort(secrets, SortBy::changed, false);
    CHECK(names_of(secrets) == std::vector<std::string>{"c", "a", "b"});
    sort(secrets, SortBy::used, true);
    CHECK(names_of(secrets) == std::vector<std::string>{"b", "a", "c"});
    CHECK(sort_by("last-accessed-date") == SortBy::used);
    CHECK_FALSE(sort_by("used"));
}

}  // namespace
}  // namespace secrets::aws
