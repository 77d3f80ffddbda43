// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agentd/service/grant_service.h"

namespace secrets::service {

/// A node's cache of the grants that its hub made to the node's jobs. Not thread-safe.
class CachedGrantService {
  public:
    explicit CachedGrantService(ServiceContext& context) : context_(context) {}

    /// Returns the answer to a step's request if a node can give it without its hub; nothing if the
    /// hub must be asked.
    std::optional<GrantAnswer> check_before_hub(const plugin_protocol::GrantRequest& request) const;
    /// Returns the hub's earlier grant for the same secret spec of the same job, or null.
    const vault::CachedGrant* find_cached_grant(const plugin_protocol::GrantRequest& request) const;
    /// Delivers a grant that the hub has just made, and caches it.
    GrantAnswer accept_cached_grant(const plugin_protocol::GrantRequest& request,
                                    const std::string& tag, SecretView image, std::string note);
    /// Delivers the grant that find_cached_grant() finds once more. `why` ends a sentence.
    GrantAnswer deliver_cached_grant_again(const plugin_protocol::GrantRequest& request,
                                           const std::string& why);
    /// Caches a grant that the hub has just made to a job that has a hold, and returns all of it,
    /// with what is held.
    StatusOr<vault::Delivery> renew(const plugin_protocol::GrantRequest& request,
                                    const std::string& tag, SecretView image);
    /// Returns all of a cached grant, with what is held.
    StatusOr<vault::Delivery> read(const plugin_protocol::GrantRequest& request) const;
    /// Wipes the earlier grant with that tag, because the hub has denied the request.
    Status denied_by_hub(const plugin_protocol::GrantRequest& request, const std::string& tag,
                         Status refusal);
    std::vector<const vault::CachedGrant*> cached_grants() const {
        return context_.vault.cached_grants();
    }
    /// Wipes a grant that the hub has revoked. No-op if there is no such grant.
    void revoke_cached_grant(JobId job, const std::string& ask);

  private:
    void wipe_and_record(const vault::CachedGrant& grant, const std::string& why);
    StatusOr<vault::Delivery> deliver_to_step(JobId job, const std::string& ask) const;
    void cache_grant(const vault::CachedGrant& grant, SecretView image);

    ServiceContext& context_;
};

}  // namespace secrets::service
