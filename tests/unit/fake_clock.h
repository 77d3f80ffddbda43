// SPDX-License-Identifier: Apache-2.0
#pragma once
// A steady clock that a test moves forward. fake_clock.cpp replaces clock_gettime().

#include <chrono>

namespace secrets {

/// Moves the steady clock of this program forward. It is never moved back.
void move_clock(std::chrono::nanoseconds time);

}  // namespace secrets
