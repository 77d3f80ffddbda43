// SPDX-License-Identifier: Apache-2.0
// Promise: staging labels move between the versions of a secret as in AWS, and a value without a
// label is gone.

#include <map>

#include "agentd/aws/secret_versions.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets::aws {
namespace {

using Stages = std::vector<std::string>;

/// Returns an id as long as AWS demands.
std::string id_of(const std::string& name) {
    return name + std::string(kMinVersionBytes - name.size(), '-');
}

Version version(const std::string& name, std::string_view value, bool is_binary = false) {
    Version made{id_of(name), {}, {}, is_binary, SecretBuffer(value.size())};
    const auto bytes = bytes_of(value);
    std::copy(bytes.begin(), bytes.end(), made.value.bytes().begin());
    return made;
}

/// A secret whose versions are named by the beginnings of their ids.
struct Secret {
    SecretVersions versions{"arn:aws:secretsmanager:r:a:secret:N-abcdef"};

    Status put(const std::string& name, std::string_view value,
               const Stages& stages = {"AWSCURRENT"}, bool is_binary = false) {
        return versions.put(version(name, value, is_binary), stages).status();
    }
    std::string value(const std::optional<std::string>& name,
                      const std::optional<std::string>& stage = {}) const {
        const auto found = versions.find(name ? std::optional(id_of(*name)) : std::nullopt, stage);
        if (!found) return "(" + found.status().message() + ")";
        return std::string(text_of((*found)->value.view().bytes()));
    }
    Status move(const std::string& stage, const std::optional<std::string>& to,
                const std::optional<std::string>& from) {
        return versions.move_stage(stage, to ? std::optional(id_of(*to)) : std::nullopt,
                                   from ? std::optional(id_of(*from)) : std::nullopt);
    }
    std::map<std::string, Stages> stages() const {
        std::map<std::string, Stages> all;
        for (const Version& each : versions.all())
            all[each.id.substr(0, each.id.find('-'))] = each.stages;
        return all;
    }
};

using Expected = std::map<std::string, Stages>;

TEST_CASE("Secret versions: without one, there is no current value") {
    CHECK(Secret().value({}) ==
          "(Secrets Manager can't find the specified secret value for staging label: AWSCURRENT)");
}

TEST_CASE("Secret versions: a new current version makes the one before previous") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    CHECK(secret.stages() == Expected{{"a", {"AWSCURRENT"}}});
    REQUIRE(secret.put("b", "second").ok());
    CHECK(secret.stages() == Expected{{"a", {"AWSPREVIOUS"}}, {"b", {"AWSCURRENT"}}});
    CHECK(secret.value({}) == "second");
    CHECK(secret.value({}, "AWSPREVIOUS") == "first");
    CHECK(secret.value("a") == "first");
}

TEST_CASE("Secret versions: the value before the previous one is dropped") {
    Secret secret;
    for (const char* name : {"a", "b", "c"}) REQUIRE(secret.put(name, name).ok());
    CHECK(secret.stages() == Expected{{"b", {"AWSPREVIOUS"}}, {"c", {"AWSCURRENT"}}});
    CHECK(secret.value("a") ==
          "(Secrets Manager can't find the specified secret value for "
          "VersionId: " +
              id_of("a") + ")");
}

TEST_CASE("Secret versions: the first version is current, whatever its labels") {
    Secret secret;
    REQUIRE(secret.put("a", "first", {"AWSPENDING"}).ok());
    CHECK(secret.stages() == Expected{{"a", {"AWSPENDING", "AWSCURRENT"}}});
}

TEST_CASE("Secret versions: only the labels of the request are attached") {
    SecretVersions versions("arn");
    Version first = version("a", "first");
    first.stages = {"OTHER"};
    const bool is_put = versions.put(std::move(first), {"AWSCURRENT"}).ok();
    REQUIRE(is_put);
    CHECK(versions.all().front().stages == Stages{"AWSCURRENT"});
}

TEST_CASE("Secret versions: a version with other labels does not become current") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    REQUIRE(secret.put("b", "second", {"ONE", "TWO"}).ok());
    CHECK(secret.value({}) == "first");
    REQUIRE(secret.put("c", "third", {"ONE"}).ok());
    CHECK(secret.stages() == Expected{{"a", {"AWSCURRENT"}}, {"b", {"TWO"}}, {"c", {"ONE"}}});
    CHECK(secret.value({}, "ONE") == "third");
}

TEST_CASE("Secret versions: a version is found by id and stage only if it has both") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    REQUIRE(secret.put("b", "second").ok());
    CHECK(secret.value("b", "AWSCURRENT") == "second");
    const auto wrong = secret.versions.find(id_of("a"), "AWSCURRENT");
    CHECK(wrong.status().code() == StatusCode::failed_precondition);
}

TEST_CASE(
    "Secret versions: a repeated request changes nothing, one with another value is refused") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    REQUIRE(secret.put("b", "second").ok());
    REQUIRE(secret.put("a", "first").ok());
    CHECK(secret.stages() == Expected{{"a", {"AWSPREVIOUS"}}, {"b", {"AWSCURRENT"}}});
    const Status other = secret.put("a", "other");
    CHECK(other.code() == StatusCode::conflict);
    CHECK(other.message() == "You can't use ClientRequestToken " + id_of("a") +
                                 " because that value is already in use for a version of secret "
                                 "arn:aws:secretsmanager:r:a:secret:N-abcdef.");
    CHECK(secret.put("a", "first", {"AWSCURRENT"}, /*is_binary=*/true).code() ==
          StatusCode::conflict);
    CHECK(secret.value("a") == "first");
}

TEST_CASE("Secret versions: what is malformed is refused, and nothing has changed") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    CHECK(secret.put("b", "second", {}).code() == StatusCode::invalid_argument);
    CHECK(secret.put("b", "second", Stages(21, "ONE")).code() == StatusCode::invalid_argument);
    CHECK(secret.put("b", "second", {""}).code() == StatusCode::invalid_argument);
    CHECK(secret.put("b", "second", {std::string(257, 'S')}).code() ==
          StatusCode::invalid_argument);
    Version small = version("b", "second");
    small.id = std::string(31, 'b');
    const auto too_small = secret.versions.put(std::move(small), {"AWSCURRENT"});
    CHECK(too_small.status().message() == "ClientRequestToken must be 32-64 characters long.");
    Version large = version("b", "second");
    large.id = std::string(65, 'b');
    const auto too_large = secret.versions.put(std::move(large), {"AWSCURRENT"});
    CHECK_FALSE(too_large.ok());
    CHECK(secret.stages() == Expected{{"a", {"AWSCURRENT"}}});
}

TEST_CASE("Secret versions: the oldest gives way, but neither the current nor the previous one") {
    Secret secret;
    REQUIRE(secret.put("a", "v").ok());
    REQUIRE(secret.put("b", "v").ok());
    for (std::size_t i = 0; i < kMaxVersions; ++i) {
        const std::string name = "n" + std::to_string(i);
        REQUIRE(secret.put(name, "v", {"LABEL" + std::to_string(i)}).ok());
    }
    const auto left = secret.stages();
    CHECK(left.size() == kMaxVersions);
    CHECK((left.contains("a") && left.contains("b")));
    CHECK_FALSE(left.contains("n1"));
    CHECK(left.contains("n2"));
}

TEST_CASE("Moving a stage: the current one moves, and the previous one with it") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    REQUIRE(secret.put("b", "second").ok());
    REQUIRE(secret.put("c", "third", {"AWSPENDING"}).ok());
    REQUIRE(secret.move("AWSCURRENT", "c", "b").ok());
    CHECK(secret.stages() == Expected{{"b", {"AWSPREVIOUS"}}, {"c", {"AWSPENDING", "AWSCURRENT"}}});
    CHECK(secret.value({}) == "third");
}

TEST_CASE("Moving a stage: back to the previous version, the two change places") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    REQUIRE(secret.put("b", "second").ok());
    REQUIRE(secret.move("AWSCURRENT", "a", "b").ok());
    CHECK(secret.stages() == Expected{{"a", {"AWSCURRENT"}}, {"b", {"AWSPREVIOUS"}}});
}

TEST_CASE(
    "Moving a stage: a label that is removed leaves a version without any, which is dropped") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    REQUIRE(secret.put("b", "second", {"AWSPENDING"}).ok());
    REQUIRE(secret.move("AWSPENDING", {}, "b").ok());
    CHECK(secret.stages() == Expected{{"a", {"AWSCURRENT"}}});
}

TEST_CASE("Moving a stage: a new label needs no version to leave") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    REQUIRE(secret.move("NEW", "a", {}).ok());
    CHECK(secret.stages() == Expected{{"a", {"AWSCURRENT", "NEW"}}});
    REQUIRE(secret.move("NEW", "a", {}).ok());  // it is there already
    CHECK(secret.stages() == Expected{{"a", {"AWSCURRENT", "NEW"}}});
}

TEST_CASE("Moving a stage: what is wrong is refused, and nothing has changed") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    REQUIRE(secret.put("b", "second").ok());
    const auto before = secret.stages();
    CHECK(secret.move("AWSCURRENT", "a", {}).message() ==
          "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently "
          "attached to version " +
              id_of("b") +
              ", so you must explicitly reference that version "
              "in RemoveFromVersionId.");
    CHECK(secret.move("AWSCURRENT", {}, "b").code() == StatusCode::invalid_argument);
    CHECK(secret.move("AWSCURRENT", "a", "a").code() == StatusCode::invalid_argument);
    CHECK(secret.move("NEW", "b", "a").code() == StatusCode::invalid_argument);
    CHECK(secret.move("NEW", {}, {}).code() == StatusCode::invalid_argument);
    CHECK(secret.move("NEW", "x", {}).code() == StatusCode::not_found);
    CHECK(secret.move("NEW", {}, "x").code() == StatusCode::not_found);
    CHECK(secret.move("", "a", {}).code() == StatusCode::invalid_argument);
    CHECK(secret.stages() == before);
}

TEST_CASE("Moving a stage: a version has no more labels than AWS allows") {
    Secret secret;
    REQUIRE(secret.put("a", "first").ok());
    for (std::size_t i = 1; i < kMaxStages; ++i) {
        REQUIRE(secret.move("LABEL" + std::to_string(i), "a", {}).ok());
    }
    CHECK(secret.move("ONE_MORE", "a", {}).code() == StatusCode::invalid_argument);
}

}  // namespace
}  // namespace secrets::aws
