// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <random>

#include "agentd/net/async_condition.h"

namespace secrets::net {

/// Exponential backoff between tries, with jitter: processes that called one server do not come
/// back in one moment. Must outlive the coroutines that sleep.
class Backoff {
  public:
    using Clock = std::chrono::steady_clock;

    Backoff(Clock::duration first, Clock::duration longest)
        : first_(first), longest_(longest), random_(std::random_device()()) {}

    /// Returns the pause after a round of tries, counted from 0: between half of the full pause and
    /// all of it.
    Clock::duration after(unsigned round) {
        const auto pause =
            std::min<Clock::duration>(first_ * (1U << std::min(round, 10U)), longest_);
        return Clock::duration(
            std::uniform_int_distribution<Clock::rep>(pause.count() / 2, pause.count())(random_));
    }

    /// Sleeps on the caller's loop; shorter if end() is called.
    asio::awaitable<void> sleep(Clock::duration duration) {
        if (!ended_) co_await pausing_.wait(Clock::now() + duration);
    }

    /// Ends all sleeps, also later ones.
    void end() {
        ended_ = true;
        pausing_.wake();
    }

  private:
    Clock::duration first_;
    Clock::duration longest_;
    std::minstd_rand random_;
    net::AsyncCondition pausing_;
    bool ended_ = false;
};

}  // namespace secrets::net
