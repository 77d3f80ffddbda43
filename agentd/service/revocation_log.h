// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/vault/record_codec.h"

namespace secrets::service {

/// Records the grants that a hub revokes on its nodes, each once for a reason: a node that has
/// not wiped a grant yet reports it again. Not thread-safe.
class RevocationLog {
  public:
    /// Records that a node must wipe a grant, of a run or of none. The node is known to be where
    /// the request came from. Returns false if that is recorded already.
    bool record(const std::string& node, const vault::CachedGrant& held, const std::string& run,
                const std::string& why);

    /// Forgets what the node no longer reports. `revoked`: positions in `held`.
    void end_report(const std::string& node, const std::vector<vault::CachedGrant>& held,
                    const std::vector<std::size_t>& revoked);

  private:
    using Hash = std::size_t;
    std::map<std::string, std::map<Hash, Hash>> recorded_;  ///< grants and reasons, by node
};

}  // namespace secrets::service
