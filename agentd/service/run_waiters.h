#pragma once

#include <chrono>
#include <functional>
#include <list>

#include "agentd/base/scope_exit.h"
#include "agentd/net/asio.h"
#include "common/base/ids.h"

namespace secrets::service {

/// Requests that wait for a run to be pushed. Must outlive them.
class RunWaiters {
  public:
    using Clock = std::chrono::steady_clock;

    explicit RunWaiters(asio::io_context& loop) : loop_(loop) {}

    /// Where a run may be pushed to somebody else: finds out whether it was.
    using LookElsewhere = std::function<asio::awaitable<bool>(RunId)>;
    void look_elsewhere(LookElsewhere look) { look_elsewhere_ = std::move(look); }

    /// Until the run is pushed, the time has come, or stop() is called.
    asio::awaitable<void> wait(RunId run, Clock::time_point until) {
        bool waits = !stopped_;
        while (waits) {
            const auto look_at = Clock::now() + kBetweenLooks;
            const bool looks = look_elsewhere_ != nullptr && look_at < until;
            ErrorCode woken;
            co_await wait_once(run, looks ? look_at : until, woken);
            if (woken || stopped_ || !looks) co_return;
            const bool is_there = co_await look_elsewhere_(run);
            waits = !is_there;
        }
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

    static constexpr auto kBetweenLooks = std::chrono::milliseconds(500);

    asio::awaitable<void> wait_once(RunId run, Clock::time_point until, ErrorCode& woken) {
        asio::steady_timer timer(loop_, until);
        const auto waiter = waiters_.insert(waiters_.end(), Waiter{std::move(run), &timer});
        const ScopeExit forget([this, waiter] { waiters_.erase(waiter); });
        co_await timer.async_wait(into(woken));
    }

    asio::io_context& loop_;
    LookElsewhere look_elsewhere_;
    std::list<Waiter> waiters_;
    bool stopped_ = false;
};

}  // namespace secrets::service
