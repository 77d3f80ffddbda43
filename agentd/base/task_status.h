// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace secrets {

/// The state of a background task, for status and metrics.
struct TaskStatus {
    std::string name;  ///< lower case and underscores: a label of a metric
    std::uint64_t restarts = 0;
    std::string last_error{};  ///< why the task ended the last time; empty: it never did
};

}  // namespace secrets
