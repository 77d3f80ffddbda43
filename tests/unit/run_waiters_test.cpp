// SPDX-License-Identifier: Apache-2.0
// Promise: a request that waits for a run goes on when the run is pushed, here or at another agent,
// at its deadline, and when the agent ends; and no sooner.

#include "agentd/service/run_waiters.h"

#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/secrets_of.h"

namespace secrets::service {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Fixture : EventLoop {
    using Outcome = std::shared_ptr<std::optional<bool>>;

    asio::awaitable<bool> waiting(RunId run, seconds patience) {
        co_await waiters.wait(std::move(run), Clock::now() + patience);
        co_return true;
    }
    /// Begins to wait; the outcome has a value when the wait is over.
    Outcome wait_for(std::string_view run, seconds patience = seconds(10)) {
        const auto outcome = start(waiting(run_id(run), patience));
        turn(milliseconds(1));
        return outcome;
    }
    bool is_over(const Outcome& outcome) {
        turn(milliseconds(5));
        return outcome->has_value();
    }

    RunWaiters waiters;
};

TEST_CASE("RunWaiters: wakes all that wait for the pushed run, and no other", "[waiters]") {
    Fixture fixture;
    const auto first = fixture.wait_for("a");
    const auto second = fixture.wait_for("a");
    const auto other = fixture.wait_for("b");
    fixture.waiters.wake(run_id("c"));
    CHECK_FALSE(fixture.is_over(first));
    fixture.waiters.wake(run_id("a"));
    CHECK(fixture.is_over(first));
    CHECK(fixture.is_over(second));
    CHECK_FALSE(fixture.is_over(other));
    fixture.waiters.wake(run_id("b"));
    CHECK(fixture.is_over(other));
    fixture.waiters.wake(run_id("b"));  // nothing waits any more
}

TEST_CASE("RunWaiters: goes on at the deadline of each request", "[waiters]") {
    Fixture fixture;
    const auto early = fixture.wait_for("a", seconds(5));
    const auto late = fixture.wait_for("a", seconds(10));
    fixture.pass(milliseconds(4900));
    CHECK_FALSE(fixture.is_over(early));
    fixture.pass(milliseconds(200));
    CHECK(fixture.is_over(early));
    CHECK_FALSE(fixture.is_over(late));
    fixture.pass(seconds(5));
    CHECK(fixture.is_over(late));
}

TEST_CASE("RunWaiters: wakes all at stop(), and lets none wait afterwards", "[waiters]") {
    Fixture fixture;
    const auto one = fixture.wait_for("a");
    const auto another = fixture.wait_for("b");
    CHECK_FALSE(fixture.waiters.stopped());
    fixture.waiters.stop();
    CHECK(fixture.waiters.stopped());
    CHECK(fixture.is_over(one));
    CHECK(fixture.is_over(another));
    CHECK(fixture.is_over(fixture.wait_for("c")));
}

TEST_CASE("RunWaiters: looks for a run at other agents every half second until it is there",
          "[waiters]") {
    Fixture fixture;
    std::vector<std::string> looked_for;
    bool is_there = false;
    fixture.waiters.look_elsewhere([&](RunId run) -> asio::awaitable<bool> {
        looked_for.push_back(run.text());
        co_return is_there;
    });
    const auto outcome = fixture.wait_for("a");
    fixture.pass(milliseconds(400));
    CHECK(looked_for.empty());
    fixture.pass(milliseconds(200));
    CHECK(looked_for == std::vector<std::string>{"a"});
    CHECK_FALSE(fixture.is_over(outcome));
    is_there = true;
    fixture.pass(milliseconds(600));
    CHECK(fixture.is_over(outcome));
    CHECK(looked_for.size() == 2);
}

TEST_CASE("RunWaiters: does not look elsewhere after a push, the deadline or stop()", "[waiters]") {
    Fixture fixture;
    int looks = 0;
    fixture.waiters.look_elsewhere([&](RunId) -> asio::awaitable<bool> {
        ++looks;
        co_return false;
    });
    const auto pushed = fixture.wait_for("a");
    fixture.waiters.wake(run_id("a"));
    CHECK(fixture.is_over(pushed));
    const auto expired = fixture.wait_for("a", seconds(1));
    fixture.pass(milliseconds(600));
    CHECK(looks == 1);
    fixture.pass(milliseconds(600));
    CHECK(fixture.is_over(expired));
    CHECK(looks == 1);
    const auto stopped = fixture.wait_for("a");
    fixture.waiters.stop();
    CHECK(fixture.is_over(stopped));
    fixture.pass(seconds(1));
    CHECK(looks == 1);
}

}  // namespace
}  // namespace secrets::service
