// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>

#include "agentd/base/scope_exit.h"
#include "agentd/net/asio.h"

namespace secrets::net {

/// A condition for which coroutines wait. Must outlive them.
class AsyncCondition {
  public:
    using Clock = std::chrono::steady_clock;

    /// Waits on the caller's loop until wake() is called or the time has come. Returns whether
    /// wake() came first.
    asio::awaitable<bool> wait(Clock::time_point until = Clock::time_point::max()) {
        asio::steady_timer timer(co_await asio::this_coro::executor, until);
        const auto entry = timers_.insert(timers_.end(), &timer);
        const ScopeExit over([this, entry] { timers_.erase(entry); });
        ErrorCode woken;
        co_await timer.async_wait(into(woken));
        co_return bool(woken);
    }

    void wake() {
        for (asio::steady_timer* timer : timers_) timer->cancel();
    }
    bool has_waiters() const { return !timers_.empty(); }

  private:
    std::list<asio::steady_timer*> timers_;  ///< each on the stack of its wait()
};

}  // namespace secrets::net
