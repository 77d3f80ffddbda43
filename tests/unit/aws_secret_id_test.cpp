// SPDX-License-Identifier: Apache-2.0
// Promise: a name or an ARN of AWS's API stands for one secret, and what is malformed for none.

#include "agentd/aws/secret_id.h"
#include "tests/unit/catch.h"

namespace secrets::aws {
namespace {

const ArnScope kScope{"eu-central-1", "123456789012"};
constexpr Uid kAlice{1001};

SecretAddress address_of(std::string_view name) {
    return parse_secret_name(name).value();
}

std::string refusal_of(std::string_view name) {
    const auto address = parse_secret_name(name);
    return address ? "(accepted)" : address.status().message();
}

TEST_CASE("AWS names: a plain name is of the key's user") {
    const auto address = address_of("HF_TOKEN");
    CHECK(address == SecretAddress{std::nullopt, std::nullopt, "HF_TOKEN"});
    CHECK(secret_name(address) == "HF_TOKEN");
}

TEST_CASE("AWS names: Tower's name is of a run") {
    const auto address = address_of("tower-4kQd2.x_1/HF_TOKEN");
    REQUIRE(address.run);
    CHECK(address.run->text() == "4kQd2.x_1");
    CHECK(address.name == "HF_TOKEN");
    CHECK_FALSE(address.workspace);
    CHECK(secret_name(address) == "tower-4kQd2.x_1/HF_TOKEN");
}

TEST_CASE("AWS names: a name with a workspace is of that workspace") {
    const auto address = address_of("workspace/lab/HF_TOKEN");
    CHECK(address.workspace == "lab");
    CHECK_FALSE(address.run);
    CHECK(secret_name(address) == "workspace/lab/HF_TOKEN");
}

TEST_CASE("AWS names: without a slash, what begins like a scope is a plain name") {
    CHECK(address_of("tower-4kQd").name == "tower-4kQd");
    CHECK(address_of("workspace").name == "workspace");
}

TEST_CASE("AWS names: a malformed name is refused with its cause") {
    CHECK(refusal_of("prod/db") ==
          "invalid secret name 'prod/db': expected NAME, workspace/WORKSPACE/NAME or "
          "tower-RUN/NAME");
    CHECK(refusal_of("workspace/lab/more/NAME").find("'lab/more'") != std::string::npos);
    CHECK(refusal_of("tower-/NAME") != "(accepted)");
    CHECK(refusal_of("tower-r/") != "(accepted)");
    CHECK(refusal_of("workspace//NAME") != "(accepted)");
    CHECK(refusal_of("a.b") != "(accepted)");
    CHECK(refusal_of("") != "(accepted)");
    CHECK(refusal_of(std::string(65, 'A')) != "(accepted)");
}

TEST_CASE("AWS ARNs: an ARN has region, account, name and six characters") {
    const auto address = address_of("tower-r/HF_TOKEN");
    const std::string arn = secret_arn(kScope, address, kAlice);
    const std::string stem =
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"
        "tower-r/HF_TOKEN-";
    REQUIRE(arn.size() == stem.size() + 6);
    CHECK(arn.starts_with(stem));
    CHECK(arn.ends_with(arn_suffix(address, kAlice)));
}

TEST_CASE("AWS ARNs: the suffix differs by owner only if the name has no scope") {
    const auto own = address_of("HF_TOKEN");
    CHECK(arn_suffix(own, kAlice) != arn_suffix(own, Uid{1002}));
    CHECK(arn_suffix(own, kAlice) != arn_suffix(address_of("HF_TOKEN2"), kAlice));
    const auto shared = address_of("workspace/lab/HF_TOKEN");
    CHECK(arn_suffix(shared, kAlice) == arn_suffix(shared, Uid{1002}));
}

TEST_CASE("AWS secret ids: a name means that secret, even if it ends like an ARN") {
    const auto candidates = candidates_of("key-abcdef");
    REQUIRE(candidates.size() == 1);
    CHECK(candidates[0].address.name == "key-abcdef");
    CHECK(candidates[0].suffix.empty());
}

TEST_CASE("AWS secret ids: an ARN means the whole name first, then the name without suffix") {
    const auto candidates =
        candidates_of("arn:aws:secretsmanager:us-east-1:000000000000:secret:key-abcdef");
    REQUIRE(candidates.size() == 2);
    CHECK(candidates[0].address.name == "key-abcdef");
    CHECK(candidates[0].suffix.empty());
    CHECK(candidates[1].address.name == "key");
    CHECK(candidates[1].suffix == "abcdef");
}

TEST_CASE("AWS secret ids: without a hyphen, six characters at the end are no suffix") {
    const auto candidates =
        candidates_of("arn:aws:secretsmanager:us-east-1:000000000000:secret:key_abcdef");
    REQUIRE(candidates.size() == 1);
    CHECK(candidates[0].address.name == "key_abcdef");
}

TEST_CASE("AWS secret ids: an ARN of a run's secret means that secret") {
    const auto address = address_of("tower-r/HF_TOKEN");
    const auto candidates = candidates_of(secret_arn(kScope, address, kAlice));
    REQUIRE(candidates.size() == 2);
    CHECK(candidates[1].address == address);
    CHECK(candidates[1].suffix == arn_suffix(address, kAlice));
}

TEST_CASE("AWS secret ids: what is no id of a secret means nothing") {
    CHECK(candidates_of("").empty());
    CHECK(candidates_of("arn:aws:s3:::bucket").empty());
    CHECK(candidates_of("arn:aws:secretsmanager:us-east-1:000000000000:parameter:key").empty());
    CHECK(candidates_of("arn:aws:secretsmanager:us-east-1").empty());
    CHECK(candidates_of("arn:aws:secretsmanager:us-east-1:000000000000:secret:").empty());
    CHECK(candidates_of("arn:aws:secretsmanager:us-east-1:000000000000:SECRET:key").empty());
    CHECK(candidates_of(std::string(65, 'A')).empty());
}

}  // namespace
}  // namespace secrets::aws
