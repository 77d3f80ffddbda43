// SPDX-License-Identifier: Apache-2.0
#pragma once
// A cache of running jobs and of nodes, which decides whether a job runs on the node that claims
// it.

#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "slurmview/address_cache.h"
#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// What must be looked up for some verdicts.
struct Lookups {
    std::set<JobId> jobs;
    bool nodes = false;           ///< the list of nodes
    std::set<std::string> hosts;  ///< whose addresses
    bool empty() const { return jobs.empty() && !nodes && hosts.empty(); }
};

/// Decides on placements from memory, and names the lookups without which it cannot. It makes no
/// call itself, and so never blocks. Remembers a running job, so that slurmctld is queried once
/// however many of its nodes ask. That a job does not run is never remembered beyond the query that
/// asked about it, and a node's address that seems wrong is first looked up again, within the
/// bounds. The last good list of nodes and the last good addresses outlive failures to refresh
/// them, and only a good answer makes a verdict that denies. Thread-safe.
class PlacementCache {
  public:
    using Clock = std::chrono::steady_clock;

    /// One query: when it began, and what was looked up for it.
    struct Query {
        Clock::time_point begin = Clock::now();
        std::map<JobId, StatusOr<Told>> told{};
        bool is_last = false;  ///< no further lookup is possible
        Lookups missing{};     ///< added by judge()
        std::string why{};     ///< set by judge(): the cause of an unknown verdict
    };

    explicit PlacementCache(const Bounds& bounds) : bounds_(bounds), hosts_(bounds) {}

    /// Returns "unknown" if something is missing or cannot be known. `names_in` does not block.
    slurm_query::Verdict judge(const slurm_query::Placement& place, Query& query,
                               const NodeCalls& nodes);

    /// Accept what was looked up. take_job() is for the answer to a query that began at `begin`.
    void take_job(JobId job, const Told& told, const NodeCalls& nodes);
    void take_nodes(StatusOr<NodeAddresses> nodes);
    void take_host(const std::string& host, StatusOr<std::vector<std::string>> addresses);

    /// Tell whether a lookup has become superfluous, as another query made it.
    bool knows_job(JobId job);
    bool has_nodes_since(Clock::time_point begin);
    bool has_host_since(const std::string& host, Clock::time_point begin);

  private:
    struct RunningJob {
        Uid owner;
        std::unordered_set<std::string> nodes;
        Clock::time_point until;
    };
    struct Node {
        std::vector<std::string> hosts;
        Clock::time_point listed_at;
    };

    slurm_query::Verdict judge_address(const slurm_query::Placement& place, Query& query);
    slurm_query::Verdict mismatch(const slurm_query::Placement& place, Query& query);
    bool needs_nodes(const Query& query, std::chrono::milliseconds most) const;

    const Bounds bounds_;
    std::mutex mutex_;
    std::unordered_map<JobId, RunningJob> jobs_;
    std::unordered_map<std::string, Node> nodes_;
    Clock::time_point nodes_since_{};     ///< the last good list
    Clock::time_point nodes_tried_at_{};  ///< the last list or failure
    Status nodes_failure_ = Status::failed("slurmctld was not asked for its nodes yet");
    AddressCache hosts_;
};

}  // namespace secrets::slurmview
