// SPDX-License-Identifier: Apache-2.0
#include "agentd/base/agent_clock.h"

#include <time.h>

#include <algorithm>

namespace secrets {
namespace {

AgentClock::Milliseconds read_clock(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return std::chrono::duration_cast<AgentClock::Milliseconds>(
        std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

AgentClock::Reading AgentClock::read_clocks() {
    return {read_clock(CLOCK_BOOTTIME), read_clock(CLOCK_REALTIME)};
}

AgentClock::AgentClock(std::optional<Milliseconds> offset, Read read) : read_(std::move(read)) {
    const Reading reading = read_();
    offset_ = offset.value_or(reading.wall - reading.since_boot);
}

std::chrono::sys_seconds AgentClock::now() const {
    const Milliseconds now = read_().since_boot + offset_;
    return std::chrono::sys_seconds(std::chrono::floor<std::chrono::seconds>(now));
}

AgentClock::Milliseconds AgentClock::until(std::chrono::sys_seconds time) const {
    const Milliseconds left = time.time_since_epoch() - (read_().since_boot + offset_);
    return std::max(left, Milliseconds(0));
}

std::chrono::seconds AgentClock::wall_ahead() const {
    const Reading reading = read_();
    return std::chrono::round<std::chrono::seconds>(reading.wall - reading.since_boot - offset_);
}

}  // namespace secrets
