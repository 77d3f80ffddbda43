// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agentd/audit/audit_file_state.h"
#include "agentd/auth/user_database.h"
#include "agentd/base/task_status.h"
#include "agentd/service/cluster_status.h"
#include "agentd/service/service_context.h"

namespace secrets::service {

/// The state of the Slurm accounts that workspaces name.
struct SlurmAccountsInfo {
    std::size_t named = 0;
    std::size_t known = 0;             ///< accounts for which slurmctld has answered
    std::vector<std::string> missing;  ///< of the known, those that do not exist
    std::string trouble;               ///< why slurmctld can't be asked now; empty if it can
};

struct StatusInfo {
    vault::Inventory inventory;
    MemoryKind memory = MemoryKind::memfd;
    std::chrono::seconds uptime{};
    std::uint64_t log_entries_dropped = 0;
    std::size_t body_bytes = 0;             ///< memory of the bodies of requests in flight
    std::optional<std::string> store_file;  ///< nothing if this agent stores no secrets
    std::string why_store_closed{};         ///< why it can't be opened; empty if it is not closed
    store::SecretStore::Usage kept;
    std::size_t store_owners = 0;
    std::size_t expiring = 0;                           ///< stored secrets that jobs are warned of
    std::chrono::seconds oldest_hold{};                 ///< the age of the oldest hold
    std::optional<SlurmAccountsInfo> slurm_accounts{};  ///< nothing if no workspace names one
    std::vector<std::string> last_errors{};  ///< only for root; sentences, the last one first
    std::vector<std::string> hubs{};         ///< URLs of this node's hubs
    std::vector<TaskStatus> tasks{};         ///< their errors only for root
    auth::LookupStats lookups{};             ///< the name in the trouble only for root
    std::optional<audit::AuditFileState> audit_file{};  ///< nothing if there is no audit file
    ClusterStatus cluster{};
    ConfigFileStatus config{};               ///< the state only, except for root
    std::optional<OpenBaoStatus> openbao{};  ///< nothing if the agent uses none
};

/// The components above the services that report facts for the status.
struct StatusSources {
    std::function<std::vector<TaskStatus>()> tasks = [] { return std::vector<TaskStatus>(); };
    std::function<ClusterStatus()> cluster = [] { return ClusterStatus(); };
    std::function<ConfigFileStatus()> config = [] { return ConfigFileStatus(); };
    std::function<std::optional<OpenBaoStatus>()> openbao = [] {
        return std::optional<OpenBaoStatus>();
    };
    /// Asks the hubs and munged, unless they answered a moment ago.
    std::function<boost::asio::awaitable<void>()> check = []() -> boost::asio::awaitable<void> {
        co_return;
    };
};

/// The events since a given one, as far as the caller may see them.
struct EventsInfo {
    std::uint64_t next = 0;           ///< the last event's number; the next request's `after`
    std::vector<std::string> events;  ///< JSON objects, as in a line of the audit file
};

/// The agent's reports about itself. Not thread-safe.
class StatusService {
  public:
    explicit StatusService(ServiceContext& context) : context_(context) {}

    StatusInfo status(const auth::Principal& caller) const;
    /// Returns the last events after number `after`: all events for root, and those of their own
    /// runs, jobs and requests for others. Without `after`, returns only the number to begin with.
    EventsInfo events(const auth::Principal& caller, std::optional<std::uint64_t> after) const;

    /// Brings the facts about hubs and munged up to date.
    boost::asio::awaitable<void> check() const { return sources_.check(); }

    void set_sources(StatusSources sources) { sources_ = std::move(sources); }

  private:
    std::optional<SlurmAccountsInfo> describe_slurm_accounts() const;

    ServiceContext& context_;
    StatusSources sources_;
};

}  // namespace secrets::service
