// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agentd/service/grant_service.h"

namespace secrets::service {

/// A node's copies of what its hub granted to the jobs on it. Not thread-safe.
class CachedGrantService {
  public:
    explicit CachedGrantService(ServiceContext& context) : context_(context) {}

    /// On a node of a hub: what can be said of a step's ask without the hub; nothing where it is to
    /// be asked.
    std::optional<GrantAnswer> check_before_hub(const plugin_protocol::GrantRequest& request) const;
    /// What the hub granted to the same ask of the same job before; or null.
    const vault::CachedGrant* find_cached_grant(const plugin_protocol::GrantRequest& request) const;
    /// The hub granted this.
    GrantAnswer accept_cached_grant(const plugin_protocol::GrantRequest& request,
                                    const std::string& tag, SecretView image, std::string note);
    /// Gives what find_cached_grant() finds, once more; `why`: the end of a sentence.
    GrantAnswer deliver_cached_grant_again(const plugin_protocol::GrantRequest& request,
                                           const std::string& why);
    /// The hub refused: what it granted before is wiped.
    Status denied_by_hub(const plugin_protocol::GrantRequest& request, Status refusal);
    std::vector<const vault::CachedGrant*> cached_grants() const {
        return context_.vault.cached_grants();
    }
    /// The hub says that what it granted is to be wiped; also fine when there is no such grant.
    void revoke_cached_grant(JobId job, const std::string& ask);

  private:
    void cache_grant(const vault::CachedGrant& grant, SecretView image);

    ServiceContext& context_;
};

}  // namespace secrets::service
