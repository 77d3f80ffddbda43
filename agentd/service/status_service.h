// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agentd/base/task_status.h"
#include "agentd/service/service_context.h"

namespace secrets::service {

/// What is known of the Slurm accounts that workspaces name.
struct SlurmAccountsInfo {
    std::size_t named = 0;
    std::size_t known = 0;             ///< of which slurmctld has said who is in them
    std::vector<std::string> missing;  ///< of these, those that it does not know
    std::string trouble;               ///< why it can't be asked now; empty: it can
};

struct StatusInfo {
    vault::Inventory inventory;
    MemoryKind memory = MemoryKind::memfd;
    std::chrono::seconds uptime{};
    std::uint64_t log_entries_dropped = 0;
    std::optional<std::string> store_file;  ///< nothing: this agent keeps no secrets
    store::SecretStore::Usage kept;
    std::size_t store_owners = 0;
    std::size_t expiring = 0;                           ///< kept secrets that jobs are warned of
    std::chrono::seconds oldest_hold{};                 ///< its age
    std::optional<SlurmAccountsInfo> slurm_accounts{};  ///< nothing: no workspace names one
    std::vector<std::string> last_errors{};  ///< for root alone; sentences, the last one first
    std::vector<std::string> hubs{};         ///< of which this agent is a node, as URLs
    std::vector<TaskStatus> tasks{};         ///< their errors for root alone
};

/// What happened since an event, to one who may know it.
struct EventsInfo {
    std::uint64_t next = 0;           ///< the last event's number: what to ask after the next time
    std::vector<std::string> events;  ///< JSON objects, as a line of the audit file has them
};

/// What the agent tells of itself. Not thread-safe.
class StatusService {
  public:
    explicit StatusService(ServiceContext& context) : context_(context) {}

    StatusInfo status(const auth::Principal& caller) const;
    /// The last events after number `after`: root's are all, everybody else's those of their own
    /// runs, jobs and requests. None where it is not given: then the number to begin with.
    EventsInfo events(const auth::Principal& caller, std::optional<std::uint64_t> after) const;

    /// Where the status has the background tasks from.
    void tasks_from(std::function<std::vector<TaskStatus>()> tasks) { tasks_ = std::move(tasks); }

  private:
    std::optional<SlurmAccountsInfo> describe_slurm_accounts() const;

    ServiceContext& context_;
    std::function<std::vector<TaskStatus>()> tasks_ = [] { return std::vector<TaskStatus>(); };
};

}  // namespace secrets::service
