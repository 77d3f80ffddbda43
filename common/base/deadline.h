// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

namespace secrets {

/// A point in time at which every wait ends. Copyable; uses the steady clock.
class Deadline {
  public:
    using Clock = std::chrono::steady_clock;
    static Deadline in(std::chrono::milliseconds duration) {
        return Deadline(Clock::now() + duration);
    }

    bool passed() const { return Clock::now() >= at_; }

    /// Returns the time left for poll(), at least 0. Rounded up so that poll() never returns just
    /// before the deadline.
    int poll_milliseconds() const {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
        return static_cast<int>(std::clamp<long long>(left, 0, 24LL * 3600 * 1000));
    }

  private:
    explicit Deadline(Clock::time_point at) : at_(at) {}
    Clock::time_point at_;
};

}  // namespace secrets
