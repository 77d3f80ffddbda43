// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agentd/auth/policy.h"
#include "agentd/config/config.h"
#include "agentd/service/node_hold_registry.h"
#include "agentd/store/secret_store.h"
#include "agentd/vault/vault.h"

namespace secrets::service {

/// What the services report to the daemon that runs them. Called in the event loop, during a
/// request; of the services an implementation may call Expiry::expire() only.
class Events {
  public:
    Events() = default;
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;
    virtual ~Events() = default;

    /// A run was pushed, in whatever way.
    virtual void run_pushed(const RunId&) {}
    /// Something is held that was not, or no longer.
    virtual void held_changed() {}
    /// The next expiry may be earlier than it was.
    virtual void expiry_changed() {}
};

/// What all services share. Not thread-safe; all that is referred to must outlive it.
struct ServiceContext {
    using Now = std::function<vault::Time()>;

    /// `secret_store`: the secrets of users and workspaces, or null where none are stored.
    ServiceContext(const Config& config, vault::Vault& all, Now clock,
                   store::SecretStore* secret_store);

    /// Takes the limits, times and platforms of a new configuration. What is held stays.
    void configure(const Config& config);

    Limits limits;
    std::chrono::seconds default_ttl{};
    std::chrono::seconds max_ttl{};
    auth::PrincipalResolver principals{{}};
    vault::Vault& vault;
    store::SecretStore* store;
    Now now;
    vault::Time started;
    std::vector<std::string> hubs{};  ///< URLs, as the agent was started with them
    NodeHoldRegistry node_holds{};
    std::set<JobId> granted_in_round{};  ///< jobs that were granted something in this reaping round
    Events no_events{};
    Events* events = &no_events;  ///< never null
};

}  // namespace secrets::service
