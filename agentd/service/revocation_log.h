// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/vault/record_codec.h"

namespace secrets::service {

/// The origin of what is said about a node's grants.
struct Reporter {
    std::string node;
    std::string address;  ///< of a host that says that it is the node; empty: it is known to be

    /// Returns what identifies the origin.
    std::string name() const { return address.empty() ? "node " + node : "host " + address; }
};

/// Records the grants that a hub revokes on its nodes, each once for a reason: a node that has
/// not wiped a grant yet reports it again. Not thread-safe.
class RevocationLog {
  public:
    /// Records that a node must wipe a grant, of a run or of none. Returns false if that is
    /// recorded already.
    bool record(const Reporter& from, const vault::CachedGrant& held, const std::string& run,
                const std::string& why);

    /// Forgets what is no longer reported. `revoked`: positions in `held`.
    void end_report(const Reporter& from, const std::vector<vault::CachedGrant>& held,
                    const std::vector<std::size_t>& revoked);

  private:
    using Hash = std::size_t;
    std::map<std::string, std::map<Hash, Hash>> recorded_;  ///< grants and reasons, by name()
};

}  // namespace secrets::service
