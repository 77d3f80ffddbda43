// SPDX-License-Identifier: Apache-2.0
// Promise: a random password keeps the rules of the request, and no two are the same.

#include <algorithm>

#include "agentd/aws/random_password.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets::aws {
namespace {

std::string password_of(const PasswordRules& rules) {
    return std::string(text_of(make_password(rules).value().view().bytes()));
}

std::string refusal_of(const PasswordRules& rules) {
    const auto password = make_password(rules);
    return password ? "(made)" : password.status().message();
}

bool has(const std::string& text, bool (*kind)(char)) {
    return std::any_of(text.begin(), text.end(), kind);
}

bool is_small(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_capital(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_figure(char c) {
    return c >= '0' && c <= '9';
}
bool is_sign(char c) {
    return c > ' ' && c <= '~' && !is_small(c) && !is_capital(c) && !is_figure(c);
}

TEST_CASE("Random password: without rules it has 32 characters of each kind, and no space") {
    std::string all;
    for (int i = 0; i < 50; ++i) {
        const std::string password = password_of({});
        CHECK(password.size() == 32);
        CHECK((has(password, is_small) && has(password, is_capital)));
        CHECK((has(password, is_figure) && has(password, is_sign)));
        CHECK(password.find(' ') == std::string::npos);
        CHECK(all.find(password) == std::string::npos);
        all += password;
    }
}

TEST_CASE("Random password: every allowed character comes, and no other") {
    std::string all;
    for (int i = 0; i < 4; ++i) all += password_of({.length = kMaxPasswordBytes});
    for (char each = '!'; each <= '~'; ++each) {
        INFO(each);
        CHECK(all.find(each) != std::string::npos);
    }
    CHECK(std::all_of(all.begin(), all.end(), [](char c) { return c > ' ' && c <= '~'; }));
}

TEST_CASE("Random password: no kind of characters is likelier than its number of characters") {
    std::string all;
    for (int i = 0; i < 4; ++i) all += password_of({.length = kMaxPasswordBytes});
    const auto share = [&](bool (*kind)(char), int characters) {
        return static_cast<double>(std::count_if(all.begin(), all.end(), kind)) / characters;
    };
    // A byte modulo 94 would give the first 68 characters half as much again as the others. By
    // chance this fails less than once in a million runs.
    const double ratio = share(is_capital, 26) / share(is_sign, 32);
    CHECK(ratio > 0.88);
    CHECK(ratio < 1.12);
}

TEST_CASE("Random password: excluded kinds and characters do not come") {
    const std::size_t length = kMaxPasswordBytes;
    CHECK_FALSE(has(password_of({.length = length, .exclude_capitals = true}), is_capital));
    CHECK_FALSE(has(password_of({.length = length, .exclude_small = true}), is_small));
    CHECK_FALSE(has(password_of({.length = length, .exclude_digits = true}), is_figure));
    CHECK_FALSE(has(password_of({.length = length, .exclude_punctuation = true}), is_sign));
    const std::string left = password_of({.length = length, .exclude_characters = "aZ0@"});
    CHECK(left.find_first_of("aZ0@") == std::string::npos);
}

TEST_CASE("Random password: a space comes if it is included") {
    CHECK(password_of({.length = kMaxPasswordBytes, .include_space = true}).find(' ') !=
          std::string::npos);
}

TEST_CASE("Random password: the shortest has one of each kind") {
    for (int i = 0; i < 50; ++i) {
        const std::string password = password_of({.length = 4});
        CHECK((has(password, is_small) && has(password, is_capital)));
        CHECK((has(password, is_figure) && has(password, is_sign)));
    }
}

TEST_CASE("Random password: a kind that is not required may be missing") {
    int without_figure = 0;
    for (int i = 0; i < 100; ++i) {
        const std::string password = password_of({.length = 4, .require_each_type = false});
        if (!has(password, is_figure)) ++without_figure;
    }
    CHECK(without_figure > 0);
}

TEST_CASE("Random password: rules that cannot be kept are refused") {
    CHECK(refusal_of({.length = 0}) == "PasswordLength must be between 1 and 4096");
    CHECK(refusal_of({.length = 4097}) == "PasswordLength must be between 1 and 4096");
    CHECK(refusal_of({.length = 3}) ==
          "PasswordLength is too short: the password needs one of each of 4 kinds of characters");
    CHECK(refusal_of({.length = 3, .require_each_type = false}) == "(made)");
    CHECK(refusal_of({.exclude_capitals = true,
                      .exclude_small = true,
                      .exclude_digits = true,
                      .exclude_punctuation = true}) ==
          "no characters are left for the password: exclude fewer");
}

}  // namespace
}  // namespace secrets::aws
