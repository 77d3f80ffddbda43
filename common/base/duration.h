// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace secrets {

/// Parses a duration: a whole number and one of `s`, `m`, `h`, `d` ("90s", "12h", "30d"). At least
/// one second, at most ten years.
StatusOr<std::chrono::seconds> parse_duration(std::string_view text);

/// Writes the same notation, in the largest unit that is exact.
std::string print_duration(std::chrono::seconds duration);

}  // namespace secrets
