// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <set>
#include <string>

namespace secrets::audit {

/// Logs denied connections over the network: each address once within a minute, and at most 4096
/// addresses within it. Not thread-safe.
class DeniedAddressLog {
  public:
    /// `who` names the peer at these addresses, as in "a client".
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
