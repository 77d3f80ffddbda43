// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is known of the jobs that run, and of the nodes: whether a job runs where a node says.

#include <chrono>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// For use by one thread. Asks slurmctld once about a job that runs, however many of its nodes ask
/// within the bounds' memory; that one does not run is never said from memory, and what seems to
/// speak against a node is looked up anew before it is said.
class PlacementCache {
  public:
    PlacementCache(ControllerCalls calls, Bounds bounds);

    /// The Error: nobody can tell now, and why.
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
    std::unordered_map<std::string, Host> hosts_;  ///< of which addresses were looked up, by name
};

}  // namespace secrets::slurmview
