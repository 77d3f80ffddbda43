// SPDX-License-Identifier: Apache-2.0
#pragma once
// A cache of running jobs and of nodes, which decides whether a job runs on the node that claims
// it.

#include <chrono>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// For use by one thread. Queries slurmctld once about a running job, however many of its nodes ask
/// within the time of the bounds. That a job does not run is never answered from the cache, and a
/// node's address that seems wrong is first queried again, within the bounds.
class PlacementCache {
  public:
    PlacementCache(ControllerCalls calls, Bounds bounds);

    /// Returns a Status with the cause if no verdict is possible now.
    StatusOr<slurm_query::Verdict> verdict_on(const slurm_query::Placement& place);

  private:
    using Clock = std::chrono::steady_clock;
    struct RunningJob {
        Uid owner;
        std::unordered_set<std::string> nodes;
        Clock::time_point until;
    };
    struct Host {
        std::vector<std::string> addresses;
        Clock::time_point since;
    };

    StatusOr<const RunningJob*> find_job(JobId job);
    StatusOr<bool> is_at(const std::string& node, const std::string& address);
    bool known_to_be_at(const std::string& node, const std::string& address);
    Status load_nodes();

    ControllerCalls calls_;
    Bounds bounds_;
    std::unordered_map<JobId, RunningJob> jobs_;
    NodeAddresses nodes_;
    Clock::time_point nodes_since_{};
    std::unordered_map<std::string, Host> hosts_;  ///< hosts whose addresses were looked up, by
                                                   ///   name
};

}  // namespace secrets::slurmview
