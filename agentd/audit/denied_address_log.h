// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <set>
#include <string>

namespace secrets::audit {

/// Writes down who was refused over the network: once for each address within a minute, and within
/// it of 4096 addresses at most. Not thread-safe.
class DeniedAddressLog {
  public:
    /// `who`: what is at these addresses, as in "a client".
    explicit DeniedAddressLog(std::string who) : who_(std::move(who)) {}

    using Time = std::chrono::steady_clock::time_point;
    void note(const std::string& address, const std::string& why,
              Time now = std::chrono::steady_clock::now());

  private:
    struct Noted {
        std::set<std::string>::iterator address;
        Time until;
    };

    std::string who_;
    std::set<std::string> noted_;
    std::deque<Noted> in_order_;
};

}  // namespace secrets::audit
