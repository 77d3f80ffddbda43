// SPDX-License-Identifier: Apache-2.0
// Promise: a background task goes on whatever ends it, until all are stopped; each end is reported
// with its cause.

#include "agentd/base/supervisor.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <stdexcept>
#include <thread>

#include "agentd/base/spawn_request.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

struct Fixture {
    /// Turns the loop until the condition holds, for 5 s at most.
    template <typename Condition>
    bool turns_until(Condition condition) {
        for (int i = 0; i < 5000; ++i) {
            if (condition()) return true;
            loop.restart();
            loop.run_for(milliseconds(1));
        }
        return false;
    }
    Supervisor::Factory counting(std::function<void(int)> each) {
        return [this, each = std::move(each)] { return count(each); };
    }
    asio::awaitable<void> count(std::function<void(int)> each) {
        each(++starts);
        boost::system::error_code cancelled;
        forever.expires_after(std::chrono::hours(1));
        co_await forever.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }

    asio::io_context loop;
    asio::steady_timer forever{loop};
    int starts = 0;
    std::vector<std::string> reports;
    Supervisor supervisor{
        loop,
        [this](const std::string& task, const std::string& why, milliseconds pause) {
            reports.push_back(task + ": " + why + ", " + std::to_string(pause.count()));
        },
        {milliseconds(1), milliseconds(4)}};
};

TEST_CASE("Supervisor: starts a task that throws again, after pauses that double") {
    Fixture fixture;
    fixture.supervisor.start("reaper", fixture.counting([](int start) {
        if (start < 5) throw std::runtime_error("no memory");
    }));
    CHECK(fixture.turns_until([&] { return fixture.starts == 5; }));
    CHECK(fixture.reports ==
          std::vector<std::string>{"reaper: no memory, 1", "reaper: no memory, 2",
                                   "reaper: no memory, 4", "reaper: no memory, 4"});
    const auto tasks = fixture.supervisor.tasks();
    REQUIRE(tasks.size() == 1);
    CHECK(tasks[0].name == "reaper");
    CHECK(tasks[0].restarts == 4);
    CHECK(tasks[0].last_error == "no memory");
}

TEST_CASE("Supervisor: starts a task again whose factory throws") {
    Fixture fixture;
    fixture.supervisor.start("reaper", [&]() -> asio::awaitable<void> {
        if (++fixture.starts == 1) throw std::bad_alloc();
        return fixture.count([](int) {});
    });
    CHECK(fixture.turns_until([&] { return fixture.starts == 3; }));
    CHECK(fixture.reports == std::vector<std::string>{"reaper: std::bad_alloc, 1"});
}

TEST_CASE("Supervisor: begins with the first pause again after a long run") {
    Fixture fixture;
    fixture.supervisor.start("reaper", fixture.counting([](int start) {
        if (start <= 2) throw std::runtime_error("early");
    }));
    REQUIRE(fixture.turns_until([&] { return fixture.starts == 3; }));
    std::this_thread::sleep_for(milliseconds(5));
    fixture.forever.cancel();
    REQUIRE(fixture.turns_until([&] { return fixture.starts == 4; }));
    CHECK(fixture.reports ==
          std::vector<std::string>{"reaper: early, 1", "reaper: early, 2",
                                   "reaper: it returned without being stopped, 1"});
}

TEST_CASE("Supervisor: lets tasks end after stop(), and starts none that waits for its pause") {
    Fixture fixture;
    fixture.supervisor.start("reaper", fixture.counting([](int) {}));
    int other_starts = 0;
    fixture.supervisor.start("watcher", [&]() -> asio::awaitable<void> {
        ++other_starts;
        throw std::runtime_error("no memory");
        co_return;
    });
    fixture.loop.poll();
    REQUIRE(other_starts == 1);
    fixture.supervisor.stop();
    fixture.forever.cancel();
    fixture.loop.restart();
    fixture.loop.run();  // nothing is left to wait for
    CHECK(fixture.starts == 1);
    CHECK(other_starts == 1);
    CHECK(fixture.reports == std::vector<std::string>{"watcher: no memory, 1"});
}

TEST_CASE("Supervisor: reports a task that throws while all are to end, and does not start it") {
    Fixture fixture;
    fixture.supervisor.start("reaper", [&]() -> asio::awaitable<void> {
        co_await fixture.count([](int) {});
        throw std::runtime_error("late");
    });
    fixture.loop.poll();
    fixture.supervisor.stop();
    fixture.forever.cancel();
    fixture.loop.restart();
    fixture.loop.run();
    CHECK(fixture.starts == 1);
    CHECK(fixture.reports == std::vector<std::string>{"reaper: late, 0"});
}

TEST_CASE("Supervisor: goes on although the report throws") {
    asio::io_context loop;
    int starts = 0;
    Supervisor supervisor(loop, [](const auto&, const auto&, auto) { throw std::bad_alloc(); },
                          {milliseconds(1), milliseconds(1)});
    supervisor.start("reaper", [&]() -> asio::awaitable<void> {
        if (++starts == 3) supervisor.stop();
        throw std::bad_alloc();
        co_return;
    });
    loop.run();
    CHECK(starts == 3);
    CHECK(supervisor.tasks()[0].restarts == 2);
}

TEST_CASE("spawn_request: reports what() of the exception, and nothing of a request that ends") {
    asio::io_context loop;
    std::vector<std::string> failures;
    const auto note = [&](const std::string& why) { failures.push_back(why); };
    const auto serve = [](bool fails) -> asio::awaitable<void> {
        if (fails) throw std::runtime_error("disk full");
        co_return;
    };
    spawn_request(loop, serve(false), note);
    spawn_request(loop, serve(true), note);
    loop.run();
    CHECK(failures == std::vector<std::string>{"disk full"});
}

}  // namespace
}  // namespace secrets
