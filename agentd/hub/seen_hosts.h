// SPDX-License-Identifier: Apache-2.0
#pragma once
// Counts the hosts whose agents a hub has answered.

#include <map>
#include <optional>
#include <string>

#include "agentd/service/cluster_status.h"

namespace secrets::hub {

/// Hosts by address, as slurmctld or the configuration has confirmed them. Not thread-safe.
class SeenHosts {
  public:
    void note(const std::string& address, service::WallTime now) { seen_[address] = now; }

    std::size_t count() const { return seen_.size(); }
    /// Returns when the last of them was answered; nothing if none was.
    std::optional<service::WallTime> last() const {
        std::optional<service::WallTime> last;
        for (const auto& [address, seen] : seen_) {
            if (!last || *last < seen) last = seen;
        }
        return last;
    }

  private:
    std::map<std::string, service::WallTime> seen_;
};

}  // namespace secrets::hub
