// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <random>

#include "agentd/net/async_condition.h"

namespace secrets::net {

/// Backoff between tries. They grow, and differ from process to process: what asked one server does
/// not come back in one moment. Must outlive those who pause.
class Backoff {
  public:
    using Clock = std::chrono::steady_clock;

    Backoff(Clock::duration first, Clock::duration longest)
        : first_(first), longest_(longest), random_(std::random_device()()) {}

    /// After a round of tries, counted from 0: between a half of its pause and all of it.
    Clock::duration after(unsigned round) {
        const auto pause =
            std::min<Clock::duration>(first_ * (1U << std::min(round, 10U)), longest_);
        return Clock::duration(
            std::uniform_int_distribution<Clock::rep>(pause.count() / 2, pause.count())(random_));
    }

    /// On the loop of the caller; shorter where end() comes.
    asio::awaitable<void> sleep(Clock::duration duration) {
        if (!ended_) co_await pausing_.wait(Clock::now() + duration);
    }

    /// Nobody pauses any more.
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
