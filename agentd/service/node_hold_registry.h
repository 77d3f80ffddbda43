// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a hub knows of its nodes: which of them hold grants of which runs.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agentd/vault/record_codec.h"
#include "common/base/ids.h"

namespace secrets::service {

/// A node that has said nothing for this long is called lost: it says what it holds every 30 s.
inline constexpr auto kLostAfter = std::chrono::seconds(90);

/// As the nodes say themselves. Not thread-safe; takes the time as an argument.
class NodeHoldRegistry {
  public:
    using Time = vault::Time;

    /// One node's grants of a run.
    struct Holding {
        std::string node;
        std::vector<JobId> jobs;
        Time seen;  ///< when the node was last heard of
        bool lost = false;
    };
    /// A grant that a node has: of which run, for which job.
    struct Held {
        std::string run;
        JobId job;
    };

    /// The node was given something of the run.
    void granted(const std::string& node, const Held& held, Time now);
    /// The node says that it holds these, and no others.
    void reported(const std::string& node, const std::vector<Held>& held, Time now);

    /// The nodes that hold something of the run, by name.
    std::vector<Holding> of(const std::string& run, Time now) const;
    bool is_held(const std::string& run) const { return nodes_of_.contains(run); }

  private:
    struct Node {
        std::map<std::string, std::set<JobId>> jobs_of;  ///< by run
        Time seen;
    };

    void forget(const std::string& node, Node& known);

    std::map<std::string, Node> nodes_;                      ///< those that hold something
    std::map<std::string, std::set<std::string>> nodes_of_;  ///< by run
};

}  // namespace secrets::service
