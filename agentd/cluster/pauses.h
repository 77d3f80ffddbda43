#pragma once

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <random>

#include "agentd/at_end.h"
#include "agentd/doors/event_loop.h"

namespace secrets::cluster {

/// Pauses between tries. They grow, and differ from process to process: what asked one server does
/// not come back in one moment. Must outlive those who pause.
class Pauses {
  public:
    using Clock = std::chrono::steady_clock;

    Pauses(Clock::duration first, Clock::duration longest)
        : first_(first), longest_(longest), random_(std::random_device()()) {}

    /// After a round of tries, counted from 0: between a half of its pause and all of it.
    Clock::duration after(unsigned round) {
        const auto pause =
            std::min<Clock::duration>(first_ * (1U << std::min(round, 10U)), longest_);
        return Clock::duration(
            std::uniform_int_distribution<Clock::rep>(pause.count() / 2, pause.count())(random_));
    }

    /// On the loop of the caller; shorter where end() comes.
    doors::asio::awaitable<void> sleep(Clock::duration duration) {
        if (ended_) co_return;
        doors::asio::steady_timer timer(co_await doors::asio::this_coro::executor, duration);
        const auto place = timers_.insert(timers_.end(), &timer);
        const AtEnd over([this, place] { timers_.erase(place); });
        doors::ErrorCode cancelled;
        co_await timer.async_wait(doors::into(cancelled));
    }

    /// Nobody pauses any more.
    void end() {
        ended_ = true;
        for (doors::asio::steady_timer* timer : timers_) timer->cancel();
    }

  private:
    Clock::duration first_;
    Clock::duration longest_;
    std::minstd_rand random_;
    std::list<doors::asio::steady_timer*> timers_;  ///< each on the stack of its sleep()
    bool ended_ = false;
};

}  // namespace secrets::cluster
