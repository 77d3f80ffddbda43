// SPDX-License-Identifier: Apache-2.0
#pragma once
// A hub's record of its nodes' grants: which nodes hold grants of which runs.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agentd/vault/record_codec.h"
#include "common/base/ids.h"

namespace secrets::service {

/// A node without a report for this long is called lost: a node reports its grants every 30 s.
inline constexpr auto kLostAfter = std::chrono::seconds(90);

/// The grants that the nodes themselves report. Not thread-safe; takes the time as an argument.
class NodeHoldRegistry {
  public:
    using Time = vault::Time;

    /// One node's grants of a run.
    struct Holding {
        std::string node;
        std::vector<JobId> jobs;
        Time seen;  ///< when the node last reported or was granted something
        bool lost = false;
    };
    /// A grant on a node: its run and its job.
    struct Held {
        std::string run;
        JobId job;
    };

    /// Adds a grant of the run to the node.
    void granted(const std::string& node, const Held& held, Time now);
    /// Replaces all grants of the node with the grants that it reports.
    /// Returns the jobs that no node holds grants of any more.
    std::vector<JobId> reported(const std::string& node, const std::vector<Held>& held, Time now);

    /// Returns the nodes that hold grants of the run, by name.
    std::vector<Holding> of(const std::string& run, Time now) const;
    bool is_held(const std::string& run) const { return nodes_of_.contains(run); }
    bool has_job(JobId job) const { return nodes_of_job_.contains(job); }

  private:
    struct Node {
        std::map<std::string, std::set<JobId>> jobs_of;  ///< by run
        Time seen;
    };

    std::set<JobId> forget(const std::string& node, Node& known);

    std::map<std::string, Node> nodes_;                      ///< nodes that hold a grant
    std::map<std::string, std::set<std::string>> nodes_of_;  ///< by run
    std::map<JobId, std::set<std::string>> nodes_of_job_;
};

}  // namespace secrets::service
