// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>

#include "agentd/net/async_condition.h"
#include "common/base/ids.h"

namespace secrets::service {

/// Requests that wait for a run to be pushed. Must outlive the requests.
class RunWaiters {
  public:
    using Clock = std::chrono::steady_clock;

    /// Finds out whether a run was pushed to another agent.
    using LookElsewhere = std::function<asio::awaitable<bool>(RunId)>;
    void look_elsewhere(LookElsewhere look) { look_elsewhere_ = std::move(look); }

    /// Waits until the run is pushed, `until` has passed, or stop() is called.
    asio::awaitable<void> wait(RunId run, Clock::time_point until) {
        bool waits = !stopped_;
        while (waits) {
            const auto look_at = Clock::now() + kBetweenLooks;
            const bool looks = look_elsewhere_ != nullptr && look_at < until;
            const bool woken = co_await wait_once(run, looks ? look_at : until);
            if (woken || stopped_ || !looks) co_return;
            const bool is_there = co_await look_elsewhere_(run);
            waits = !is_there;
        }
    }

    void wake(const RunId& run) {
        const auto pushed = pushed_.find(run);
        if (pushed != pushed_.end()) pushed->second.wake();
    }

    void stop() {
        stopped_ = true;
        for (auto& [run, pushed] : pushed_) pushed.wake();
    }
    bool stopped() const { return stopped_; }

  private:
    static constexpr auto kBetweenLooks = std::chrono::milliseconds(500);

    asio::awaitable<bool> wait_once(RunId run, Clock::time_point until) {
        const auto pushed = pushed_.try_emplace(std::move(run)).first;
        const ScopeExit forget([this, pushed] {
            if (!pushed->second.has_waiters()) pushed_.erase(pushed);
        });
        co_return co_await pushed->second.wait(until);
    }

    LookElsewhere look_elsewhere_;
    std::map<RunId, net::AsyncCondition> pushed_;  ///< for the runs that requests wait for
    bool stopped_ = false;
};

}  // namespace secrets::service
