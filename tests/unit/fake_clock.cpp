// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake_clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<std::int64_t> moved_nanoseconds{0};

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

namespace secrets {

void move_clock(std::chrono::nanoseconds time) {
    moved_nanoseconds += time.count();
}

}  // namespace secrets

/// Replaces the C library's, also for the C++ library, whose steady clock calls it.
extern "C" __attribute__((visibility("default"))) int clock_gettime(clockid_t clock,
                                                                    timespec* now) noexcept {
    const long result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_MONOTONIC) {
        const std::int64_t sum = now->tv_nsec + moved_nanoseconds;
        now->tv_sec += sum / kSecond;
        now->tv_nsec = sum % kSecond;
    }
    return static_cast<int>(result);
}
