// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "agentd/net/asio.h"

namespace secrets::net {

/// Waits for one operation of `object`, at most until the deadline. After the deadline, the error
/// is asio::error::timed_out, and the object is told to cancel(), which is not waited for (a name
/// lookup can't be cut short). `start(object, done)` starts the operation, whose handler calls
/// `done(error)`.
///
/// Either handler may run after the other has resumed the caller. So neither refers to the caller's
/// coroutine frame, which may be gone: data that both use is shared, and data that the operation
/// reads or writes must be part of `object`.
template <typename Object, typename Start>
asio::awaitable<ErrorCode> with_deadline(std::chrono::steady_clock::time_point deadline,
                                         std::shared_ptr<Object> object, Start start) {
    struct Race {
        asio::steady_timer timer;
        std::optional<ErrorCode> outcome{};
    };
    const auto executor = co_await asio::this_coro::executor;
    const auto race = std::make_shared<Race>(Race{asio::steady_timer(executor, deadline)});
    start(*object, [race = race, object = object](const ErrorCode& error) {
        race->outcome = error;
        race->timer.cancel();
    });
    ErrorCode woken;
    co_await race->timer.async_wait(into(woken));
    if (race->outcome) co_return *race->outcome;
    object->cancel();
    co_return ErrorCode(asio::error::timed_out);
}

}  // namespace secrets::net
