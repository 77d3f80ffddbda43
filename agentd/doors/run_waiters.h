#pragma once

#include <chrono>
#include <list>

#include "agentd/at_end.h"
#include "agentd/doors/event_loop.h"
#include "common/ids.h"

namespace secrets::doors {

/// Requests that wait for a run to be pushed. Must outlive them.
class RunWaiters {
  public:
    using Clock = std::chrono::steady_clock;

    explicit RunWaiters(asio::io_context& loop) : loop_(loop) {}

    /// Until the run is pushed, the time has come, or stop() is called.
    asio::awaitable<void> wait(RunId run, Clock::time_point until) {
        if (stopped_) co_return;
        asio::steady_timer timer(loop_, until);
        const auto waiter = waiters_.insert(waiters_.end(), Waiter{std::move(run), &timer});
        const AtEnd forget([this, waiter] { waiters_.erase(waiter); });
        ErrorCode woken;
        co_await timer.async_wait(into(woken));
    }

    void wake(const RunId& run) {
        for (const Waiter& waiter : waiters_) {
            if (waiter.run == run) waiter.timer->cancel();
        }
    }

    void stop() {
        stopped_ = true;
        for (const Waiter& waiter : waiters_) waiter.timer->cancel();
    }
    bool stopped() const { return stopped_; }

  private:
    struct Waiter {
        RunId run;
        asio::steady_timer* timer;  ///< on the stack of wait()
    };

    asio::io_context& loop_;
    std::list<Waiter> waiters_;
    bool stopped_ = false;
};

}  // namespace secrets::doors
