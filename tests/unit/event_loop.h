// SPDX-License-Identifier: Apache-2.0
#pragma once
// An event loop that a test runs in steps, so that the test's own thread is both client and server.

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

class EventLoop {
  public:
    using Clock = std::chrono::steady_clock;

    /// Runs the loop for as long as `time`, or until it has nothing to do.
    void turn(std::chrono::milliseconds time = std::chrono::milliseconds(1)) {
        io.restart();
        io.run_for(time);
    }

    /// Runs the loop until the condition holds, for 10 s of real time at most; returns whether the
    /// condition holds.
    template <typename Condition>
    bool turns_until(Condition condition) {
        const auto end = std::chrono::system_clock::now() + std::chrono::seconds(10);
        while (!condition()) {
            if (std::chrono::system_clock::now() > end) return false;
            io.restart();
            io.run_one_for(std::chrono::milliseconds(5));
        }
        return true;
    }

    /// Moves the clock, and handles what is due then. For programs with fake_clock.cpp.
    void pass(Clock::duration time) {
        move_clock(time);
        // The kernel wakes the loop by the real clock. A timer that is due makes the loop look at
        // all timers.
        asio::steady_timer due(io, Clock::time_point{});
        bool handled = false;
        due.async_wait([&handled](const ErrorCode&) { handled = true; });
        REQUIRE(turns_until([&] { return handled; }));
        io.restart();
        io.poll();
    }

    /// Starts a coroutine. The result has a value once the coroutine has returned.
    template <typename T>
    std::shared_ptr<std::optional<T>> start(asio::awaitable<T> task) {
        const auto result = std::make_shared<std::optional<T>>();
        start_into(std::move(task), result);
        return result;
    }
    /// Starts a coroutine likewise. `result` must outlive it.
    template <typename T>
    void start(asio::awaitable<T> task, std::optional<T>& result) {
        start_into(std::move(task), {std::shared_ptr<void>(), &result});
    }

    /// Runs the loop until the coroutine ends, and returns its result.
    template <typename T>
    T result_of(asio::awaitable<T> task) {
        const auto result = start(std::move(task));
        REQUIRE(turns_until([&] { return result->has_value(); }));
        return std::move(**result);
    }

    asio::io_context io;

  private:
    template <typename T>
    void start_into(asio::awaitable<T> task, std::shared_ptr<std::optional<T>> result) {
        asio::co_spawn(io, store(std::move(task), std::move(result)),
                       [](const std::exception_ptr& thrown) {
                           if (thrown) std::rethrow_exception(thrown);
                       });
    }
    template <typename T>
    static asio::awaitable<void> store(asio::awaitable<T> task,
                                       std::shared_ptr<std::optional<T>> result) {
        result->emplace(co_await std::move(task));
    }
};

}  // namespace secrets
