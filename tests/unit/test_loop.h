// SPDX-License-Identifier: Apache-2.0
#pragma once
// An event loop that a test turns, and whose clock the test moves.

#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "agentd/net/asio.h"
#include "tests/unit/catch.h"
#include "tests/unit/fake_clock.h"

namespace secrets {

struct TestLoop {
    using Clock = std::chrono::steady_clock;

    /// Turns the loop until the condition holds, for 10 s of real time at most. Returns whether the
    /// condition holds.
    template <typename Condition>
    bool turns_until(Condition condition) {
        const auto end = std::chrono::system_clock::now() + std::chrono::seconds(10);
        while (!condition()) {
            if (std::chrono::system_clock::now() > end) return false;
            loop.restart();
            loop.run_one_for(std::chrono::milliseconds(5));
        }
        return true;
    }
    void turn(std::chrono::milliseconds time) {
        loop.restart();
        loop.run_for(time);
    }

    /// Moves the clock, and handles what is due then.
    void pass(Clock::duration time) {
        move_clock(time);
        // The kernel wakes the loop by the real clock. A timer that is due makes the loop look at
        // all timers.
        asio::steady_timer due(loop, Clock::time_point{});
        bool handled = false;
        due.async_wait([&handled](const ErrorCode&) { handled = true; });
        REQUIRE(turns_until([&] { return handled; }));
        loop.restart();
        loop.poll();
    }

    /// Starts a coroutine. The result has a value once the coroutine has returned.
    template <typename T>
    std::shared_ptr<std::optional<T>> start(asio::awaitable<T> work) {
        const auto result = std::make_shared<std::optional<T>>();
        asio::co_spawn(loop, store_result(std::move(work), result),
                       [](const std::exception_ptr& thrown) {
                           if (thrown) std::rethrow_exception(thrown);
                       });
        return result;
    }
    /// Runs a coroutine to its end.
    template <typename T>
    T result_of(asio::awaitable<T> work) {
        const auto result = start(std::move(work));
        REQUIRE(turns_until([&] { return result->has_value(); }));
        return std::move(**result);
    }

    asio::io_context loop;

  private:
    template <typename T>
    static asio::awaitable<void> store_result(asio::awaitable<T> work,
                                              std::shared_ptr<std::optional<T>> result) {
        result->emplace(co_await std::move(work));
    }
};

}  // namespace secrets
