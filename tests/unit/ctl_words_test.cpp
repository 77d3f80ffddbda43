// SPDX-License-Identifier: Apache-2.0
// Promise: a slip of the hand is understood, and what may be a value is repeated by no sentence.

#include <string>

#include "common/base/names.h"
#include "ctl/client/secret_paths.h"
#include "ctl/import/nearest.h"
#include "ctl/io/exit_codes.h"
#include "tests/unit/catch.h"

namespace secrets::ctl {
namespace {

std::string refusal_of(const std::string& name) {
    try {
        require_secret_name(name);
    } catch (const CommandError& error) {
        CHECK(error.code() == ExitCode::bad_input);
        return error.what();
    }
    return {};
}

std::string_view text_of(const SecretText& body) {
    return body.characters();
}

TEST_CASE("Nearest word: counts one typing slip as distance one") {
    CHECK(typing_distance("status", "status") == 0);
    CHECK(typing_distance("statos", "status") == 1);
    CHECK(typing_distance("statu", "status") == 1);
    CHECK(typing_distance("sstatus", "status") == 1);
    CHECK(typing_distance("stauts", "status") == 1);
    CHECK(typing_distance("", "ls") == 2);
}

TEST_CASE("Nearest word: finds a close word and nothing for distant input") {
    const std::vector<std::string> words = {"set", "ls", "rm", "rename", "status"};
    CHECK(nearest("stats", words) == "status");
    CHECK(nearest("ren", words) == "rename");
    CHECK(nearest("sl", words) == "ls");
    CHECK(nearest("", words).empty());
    CHECK(nearest("entirely", words).empty());
    CHECK(nearest(std::string(1000, 's'), words).empty());
}

TEST_CASE("Secret paths: reject a name that may be a value without repeating it") {
    CHECK(refusal_of("HF_TOKEN").empty());
    CHECK(refusal_of("hf-token").empty());
    for (const char* text :
         {"A=canary", "canary canary", "canary!", "canary/canary",
          "canarycanarycanarycanarycanarycanarycanarycanarycanarycanarycanary"}) {
        const std::string sentence = refusal_of(text);
        CHECK_FALSE(sentence.empty());
        CHECK(sentence.find("canary") == sentence.npos);
    }
    CHECK(refusal_of("A=canary").find("history") != std::string::npos);
    CHECK(refusal_of("LD_PRELOAD").find("controls") != std::string::npos);
    CHECK(refusal_of("1A").find("must begin") != std::string::npos);
}

TEST_CASE("Secret paths: give each workspace its own path and reject invalid names") {
    CHECK(path_of_secrets(std::nullopt) == "/v1/secrets");
    CHECK(path_of_secrets("lab.1") == "/v1/workspaces/lab.1/secrets");
    for (const std::string name : {"", "a/b", "..", "-x", "a b"}) {
        CHECK_THROWS_AS(path_of_secrets(name), CommandError);
    }
    CHECK_THROWS_AS(path_of_secrets(std::string(65, 'w')), CommandError);
}

TEST_CASE("Secret paths: encode a value as base64 in the request body") {
    const std::string value("a\0\"\n", 4);
    const SecretView view(std::as_bytes(std::span(value)));
    CHECK(text_of(body_of_secret(view, std::nullopt)) == R"({"value":{"base64":"YQAiCg=="}})");
    CHECK(text_of(body_of_secret(view, "30d")) == R"({"value":{"base64":"YQAiCg=="},"ttl":"30d"})");
    CHECK(text_of(body_of_secret(SecretView(), std::nullopt)) == R"({"value":{"base64":""}})");
}

}  // namespace
}  // namespace secrets::ctl
