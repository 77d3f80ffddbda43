// SPDX-License-Identifier: Apache-2.0
#pragma once
// The clock that expiries follow. The wall clock may jump, by a correction or a mistake, and would
// then end all runs at once or never.

#include <chrono>
#include <functional>
#include <optional>

namespace secrets {

/// Counts the time that has passed since the boot, and shows it as a time of day: that of the wall
/// clock when the agent first started. Processes that take over slabs go on with the offset of the
/// process that made them, as the times in these are of this clock.
class AgentClock {
  public:
    using Milliseconds = std::chrono::milliseconds;

    /// The two clocks of the host. The first one never jumps, and counts suspended time.
    struct Reading {
        Milliseconds since_boot;
        Milliseconds wall;
    };
    using Read = std::function<Reading()>;
    static Reading read_clocks();

    explicit AgentClock(std::optional<Milliseconds> offset = std::nullopt, Read read = read_clocks);

    std::chrono::sys_seconds now() const;
    /// Returns the time left until `time`; none if that has passed.
    Milliseconds until(std::chrono::sys_seconds time) const;
    /// Returns how far the wall clock is ahead: by how much it has jumped since the first start.
    std::chrono::seconds wall_ahead() const;
    Milliseconds offset() const { return offset_; }

  private:
    Read read_;
    Milliseconds offset_;  ///< of this clock against the time since the boot
};

}  // namespace secrets
