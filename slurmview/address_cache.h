// SPDX-License-Identifier: Apache-2.0
#pragma once
// The addresses of hosts as the name service last reported them.

#include <string>
#include <unordered_map>
#include <vector>

#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// Remembers the last good addresses of each host, over failures to look the host up again, and
/// remembers the failures for a shorter time. Not thread-safe.
class AddressCache {
  public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;

    explicit AddressCache(const Bounds& bounds) : bounds_(bounds) {}

    struct Answer {
        bool is_there = false;  ///< the host was last reported to have the address
        bool is_due = false;    ///< the host must be looked up before it counts as being elsewhere
        Status failure{};       ///< why it cannot be said that the host does not have the address
    };
    /// `since`: the begin of the request; a host that was looked up later is not due.
    Answer find(const std::string& host, const std::string& address, Time since) const;

    /// Tells whether the host was looked up after that time.
    bool was_looked_up(const std::string& host, Time since) const;

    /// Accepts the result of a lookup. A host without an address counts as not found now.
    void take(const std::string& host, StatusOr<std::vector<std::string>> addresses);

  private:
    struct Host {
        std::vector<std::string> addresses;  ///< the last good ones
        Time looked_up_at{};
        Status failure{};  ///< of the last lookup
    };

    Bounds bounds_;
    std::unordered_map<std::string, Host> hosts_;
};

}  // namespace secrets::slurmview
