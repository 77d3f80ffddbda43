// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agentd/auth/policy.h"
#include "agentd/config/config.h"
#include "agentd/net/body_budget.h"
#include "agentd/service/ended_runs.h"
#include "agentd/service/lost_run_ends.h"
#include "agentd/service/node_hold_registry.h"
#include "agentd/store/secret_store.h"
#include "agentd/vault/vault.h"

namespace secrets::service {

/// Interface through which the services report to the daemon that runs them. Called in the event
/// loop, during a request; an implementation may change nothing through a service except by
/// Expiry::expire().
class Events {
  public:
    Events() = default;
    Events(const Events&) = delete;
    Events& operator=(const Events&) = delete;
    virtual ~Events() = default;

    /// Reports that a run was pushed, in whatever way.
    virtual void run_pushed(const RunId&) {}
    /// Reports that a job with which a run ends may have ended.
    virtual void job_may_have_ended(JobId) {}
    /// Reports that the contents of the vault or the store have changed.
    virtual void held_changed() {}
    /// Reports that the next expiry may be earlier than before.
    virtual void expiry_changed() {}
};

/// The state that all services share. Not thread-safe; the objects it refers to must outlive it.
struct ServiceContext {
    using Now = std::function<vault::Time()>;
    using WallAhead = std::function<std::chrono::seconds()>;

    /// `secret_store` holds the secrets of users and workspaces, or is null if none are stored.
    ServiceContext(const Config& config, vault::Vault& all, Now clock,
                   store::SecretStore* secret_store);

    /// Whether the job has a hold, on this host or on a node, that has not been wiped.
    bool has_hold(JobId job) const {
        return vault.find_hold(job) != nullptr || node_holds.has_job(job);
    }

    /// Applies the limits, times and platforms of a new configuration. The vault and the store stay
    /// unchanged.
    void configure(const Config& config);

    Limits limits;
    net::BodyBudget bodies{};  ///< of the requests of all servers
    std::chrono::seconds default_ttl{};
    std::chrono::seconds max_ttl{};
    auth::PrincipalResolver principals{{}};
    vault::Vault& vault;
    store::SecretStore* store;
    bool shares_runs = false;  ///< runs are also in a store that hubs share, whose word is final
    std::string why_store_closed{};  ///< why the configured store can't be opened, or empty
    /// The agent's clock, which does not jump: of expiries, holds and whatever ends in this boot.
    Now now;
    /// How far the wall clock is ahead of it. Times for people, other hubs and the disk are of the
    /// wall clock.
    WallAhead wall_ahead = [] { return std::chrono::seconds(0); };
    vault::Time wall_of(vault::Time time) const { return time + wall_ahead(); }
    vault::Time wall_now() const { return wall_of(now()); }
    vault::Time started;
    std::vector<std::string> hubs{};  ///< URLs, as the agent was started with them
    NodeHoldRegistry node_holds{};
    EndedRuns ended_runs{};
    LostRunEnds lost_run_ends{};
    std::set<JobId> granted_in_round{};  ///< jobs that were granted something in this reaping round
    Events no_events{};
    Events* events = &no_events;  ///< never null
};

}  // namespace secrets::service
