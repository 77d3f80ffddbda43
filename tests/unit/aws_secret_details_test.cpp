// SPDX-License-Identifier: Apache-2.0
// Promise: the details of a secret are read back as they were written, and what is malformed is
// refused without a byte of a value.

#include "agentd/aws/secret_details.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets::aws {
namespace {

Milliseconds at(std::int64_t milliseconds) {
    return Milliseconds(std::chrono::milliseconds(milliseconds));
}

Version version(std::string id, std::vector<std::string> stages, std::string_view value,
                bool is_binary = false) {
    Version made{std::move(id), std::move(stages), at(1'700'000'000'123), is_binary,
                 SecretBuffer(value.size())};
    const auto bytes = bytes_of(value);
    std::copy(bytes.begin(), bytes.end(), made.value.bytes().begin());
    return made;
}

std::string encoded(const SecretDetails& details) {
    return std::string(text_of(encode_details(details).view().bytes()));
}

StatusOr<SecretDetails> decoded(std::string_view text) {
    return decode_details(SecretView(std::as_bytes(std::span(text))));
}

std::string value_of(const Version& version) {
    return std::string(text_of(version.value.view().bytes()));
}

TEST_CASE("Secret details: without anything they are read back") {
    const auto details = decoded(encoded({}));
    REQUIRE(details);
    CHECK(details->description.empty());
    CHECK_FALSE(details->tags);
    CHECK_FALSE(details->deletion);
    CHECK_FALSE(details->generation);
    CHECK(details->versions.empty());
}

TEST_CASE("Secret details: every field is read back") {
    SecretDetails written;
    written.description = "a \"token\" für alle";
    written.kms_key = "alias/key";
    written.created = at(1'700'000'000'001);
    written.changed = at(1'800'000'000'002);
    written.tags = {{"team", "genomics"}, {"", ""}};
    written.deletion = at(1'900'000'000'003);
    written.versions.push_back(version("one", {"AWSPREVIOUS", "MINE"}, "old\n\"value\""));
    written.versions.push_back(
        version("two", {"AWSCURRENT"}, std::string_view("\0\xff", 2), /*is_binary=*/true));
    const auto read = decoded(encoded(written));
    REQUIRE(read);
    CHECK(read->description == written.description);
    CHECK(read->kms_key == "alias/key");
    CHECK(read->created == written.created);
    CHECK(read->changed == written.changed);
    CHECK(read->tags == written.tags);
    CHECK(read->deletion == written.deletion);
    CHECK_FALSE(read->generation);
    REQUIRE(read->versions.size() == 2);
    CHECK(read->versions[0].id == "one");
    CHECK(read->versions[0].stages == std::vector<std::string>{"AWSPREVIOUS", "MINE"});
    CHECK(read->versions[0].created == at(1'700'000'000'123));
    CHECK_FALSE(read->versions[0].is_binary);
    CHECK(value_of(read->versions[0]) == "old\n\"value\"");
    CHECK(read->versions[1].is_binary);
    CHECK(value_of(read->versions[1]) == std::string("\0\xff", 2));
}

TEST_CASE("Secret details: tags that were all removed are not tags that never were") {
    SecretDetails written;
    written.tags.emplace();
    const auto read = decoded(encoded(written));
    REQUIRE(read);
    REQUIRE(read->tags);
    CHECK(read->tags->empty());
}

TEST_CASE("Secret details: the current value is left out if the store has it") {
    SecretDetails written;
    written.generation = 7;
    written.versions.push_back(version("one", {"AWSPREVIOUS"}, "older"));
    written.versions.push_back(version("two", {"AWSCURRENT"}, "newer"));
    CHECK(encoded(written).find("bmV3ZXI=") == std::string::npos);
    const auto read = decoded(encoded(written));
    REQUIRE(read);
    CHECK(read->generation == 7);
    CHECK(value_of(read->versions[0]) == "older");
    CHECK(value_of(read->versions[1]).empty());
    written.generation.reset();
    CHECK(encoded(written).find("bmV3ZXI=") != std::string::npos);
}

TEST_CASE("Secret details: long values are written whole") {
    SecretDetails written;
    const std::string value(64 * 1024, '\xfe');
    written.versions.push_back(version("one", {"AWSCURRENT"}, value));
    written.versions.push_back(version("two", {"AWSPREVIOUS"}, value));
    const auto read = decoded(encoded(written));
    REQUIRE(read);
    CHECK(value_of(read->versions[0]) == value);
    CHECK(value_of(read->versions[1]) == value);
}

TEST_CASE("Secret details: what is malformed is refused") {
    const std::string head = R"({"format":1,"created":0,"changed":0,)";
    const auto refusal_of = [](const std::string& text) {
        const auto read = decoded(text);
        return read ? "(read)" : read.status().message();
    };
    CHECK(refusal_of(head + R"("versions":[]})") == "(read)");
    for (const std::string& text : {
             std::string(""),
             std::string("[]"),
             std::string("{}"),
             std::string(R"({"format":"1"})"),
             std::string(R"({"format":1,"versions":[]})"),
             std::string(R"({"format":1,"created":0,"changed":-1,"versions":[]})"),
             std::string(R"({"format":1,"created":253402300800000,"changed":0,"versions":[]})"),
             head + R"("versions":{}})",
             head + R"("versions":[7]})",
             head + R"("versions":[],"tags":[{"key":"a"}]})",
             head + R"("versions":[],"deletion":"now"})",
             head + R"("versions":[],"generation":0})",
             head + R"("versions":[{"id":"a","created":0,"value":"YQ=="}]})",
             head + R"("versions":[{"id":"","created":0,"stages":[],"value":"YQ=="}]})",
             head + R"("versions":[{"id":"a","stages":[],"value":"YQ=="}]})",
             head + R"("versions":[{"id":"a","created":0,"stages":[7],"value":"YQ=="}]})",
             head + R"("versions":[{"id":"a","created":0,"stages":["AWSCURRENT"]}]})",
             head + R"("versions":[{"id":"a","created":0,"stages":[],"value":"Y"}]})",
             head + R"("generation":1,"versions":[{"id":"a","created":0,"stages":["OTHER"]}]})",
         }) {
        INFO(text);
        CHECK(refusal_of(text).starts_with("the details of a secret are malformed: "));
    }
    CHECK(refusal_of(R"({"format":2})") ==
          "the details of a secret were written by a later version of slurm-secretsd; update this "
          "one");
}

}  // namespace
}  // namespace secrets::aws
