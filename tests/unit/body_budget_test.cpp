// SPDX-License-Identifier: Apache-2.0
// Promise: bodies of requests in flight use at most a limit of memory, in total and per client, and
// a small body always has room.

#include "agentd/net/body_budget.h"

#include <memory>

#include "tests/unit/catch.h"

namespace secrets::net {
namespace {

using Charge = BodyBudget::Charge;

constexpr std::size_t kKib = 1024;

TEST_CASE("BodyBudget: limits the bodies of one client and of all together") {
    BodyBudget budget({300 * kKib, 200 * kKib});
    Charge first(budget, "uid 1");
    REQUIRE(first.raise(150 * kKib).ok());
    Charge second(budget, "uid 1");
    const Status theirs = second.raise(60 * kKib);
    REQUIRE_FALSE(theirs.ok());
    CHECK(theirs.code() == StatusCode::unavailable);
    CHECK(theirs.message().find("a body of 61440 bytes now") != std::string::npos);
    CHECK(theirs.message().find("of uid 1 that") != std::string::npos);
    Charge other(budget, "uid 2");
    CHECK(other.raise(150 * kKib).ok());
    Charge third(budget, "uid 3");
    const Status all = third.raise(20 * kKib);
    REQUIRE_FALSE(all.ok());
    CHECK(all.message().find("of all clients that") != std::string::npos);
    CHECK(budget.used() == 300 * kKib);
}

TEST_CASE("BodyBudget: counts a body by its present size, and nothing after its end") {
    BodyBudget budget({300 * kKib, 200 * kKib});
    {
        Charge body(budget, "uid 1");
        CHECK(body.check(200 * kKib).ok());
        CHECK(budget.used() == 0);
        REQUIRE(body.raise(32 * kKib).ok());
        REQUIRE(body.raise(64 * kKib).ok());
        CHECK(budget.used() == 64 * kKib);
        Charge other(budget, "uid 1");
        REQUIRE_FALSE(other.raise(150 * kKib).ok());
        CHECK(budget.used() == 64 * kKib);
    }
    CHECK(budget.used() == 0);
    Charge again(budget, "uid 1");
    CHECK(again.raise(200 * kKib).ok());
}

TEST_CASE("BodyBudget: has room for a small body when it is used up") {
    BodyBudget budget({100 * kKib, 100 * kKib});
    Charge large(budget, "uid 1");
    REQUIRE(large.raise(100 * kKib).ok());
    Charge small(budget, "uid 1");
    CHECK(small.raise(BodyBudget::kFreeBytes).ok());
    CHECK_FALSE(small.raise(BodyBudget::kFreeBytes + 1).ok());
}

TEST_CASE("BodyBudget: has room for one body of any size, of a client and in total") {
    BodyBudget budget({100 * kKib, 50 * kKib});
    {
        Charge body(budget, "uid 1");
        CHECK(body.raise(80 * kKib).ok());
        CHECK_FALSE(Charge(budget, "uid 2").check(80 * kKib).ok());
    }
    Charge body(budget, "uid 1");
    CHECK(body.raise(500 * kKib).ok());
}

}  // namespace
}  // namespace secrets::net
