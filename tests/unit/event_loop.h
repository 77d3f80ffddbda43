// SPDX-License-Identifier: Apache-2.0
#pragma once
// An event loop that a test runs in steps, so that the test's own thread is both client and server.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "tests/unit/catch.h"

namespace secrets {

class EventLoop {
  public:
    /// Runs the loop for as long as `time`, or until it has nothing to do.
    void turn(std::chrono::milliseconds time = std::chrono::milliseconds(1)) {
        io.restart();
        io.run_for(time);
    }

    /// Runs the loop until the condition is true; returns whether it became true in 10 s.
    template <typename Condition>
    bool turns_until(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            turn();
        }
        return true;
    }

    /// Starts a coroutine, and stores its result when it ends.
    template <typename T>
    void start(boost::asio::awaitable<T> task, std::optional<T>& result) {
        boost::asio::co_spawn(io, store(std::move(task), result), boost::asio::detached);
    }

    /// Runs the loop until the coroutine ends, and returns its result.
    template <typename T>
    T result_of(boost::asio::awaitable<T> task) {
        std::optional<T> result;
        start(std::move(task), result);
        REQUIRE(turns_until([&] { return result.has_value(); }));
        return std::move(*result);
    }

    boost::asio::io_context io;

  private:
    template <typename T>
    static boost::asio::awaitable<void> store(boost::asio::awaitable<T> task,
                                              std::optional<T>& result) {
        result.emplace(co_await std::move(task));
    }
};

}  // namespace secrets
