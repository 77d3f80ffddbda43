// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/node_hold_registry.h"

namespace secrets::service {

void NodeHoldRegistry::granted(const std::string& node, const Held& held, Time now) {
    Node& known = nodes_[node];
    known.seen = now;
    known.jobs_of[held.run].insert(held.job);
    nodes_of_[held.run].insert(node);
    nodes_of_job_[held.job].insert(node);
}

std::vector<JobId> NodeHoldRegistry::reported(const std::string& node,
                                              const std::vector<Held>& held, Time now) {
    std::set<JobId> before;
    if (const auto found = nodes_.find(node); found != nodes_.end()) {
        before = forget(node, found->second);
        nodes_.erase(found);
    }
    for (const Held& each : held) granted(node, each, now);
    std::vector<JobId> gone;
    for (const JobId job : before) {
        if (!has_job(job)) gone.push_back(job);
    }
    return gone;
}

/// Returns the jobs of which the node held grants.
std::set<JobId> NodeHoldRegistry::forget(const std::string& node, Node& known) {
    std::set<JobId> all;
    for (const auto& [run, jobs] : known.jobs_of) {
        all.insert(jobs.begin(), jobs.end());
        const auto holding = nodes_of_.find(run);
        holding->second.erase(node);
        if (holding->second.empty()) nodes_of_.erase(holding);
    }
    for (const JobId job : all) {
        const auto holding = nodes_of_job_.find(job);
        holding->second.erase(node);
        if (holding->second.empty()) nodes_of_job_.erase(holding);
    }
    return all;
}

std::vector<NodeHoldRegistry::Holding> NodeHoldRegistry::of(const std::string& run,
                                                            Time now) const {
    std::vector<Holding> holdings;
    const auto found = nodes_of_.find(run);
    if (found == nodes_of_.end()) return holdings;
    for (const std::string& name : found->second) {
        const Node& node = nodes_.at(name);
        const auto& jobs = node.jobs_of.at(run);
        holdings.push_back(
            {name, {jobs.begin(), jobs.end()}, node.seen, now - node.seen > kLostAfter});
    }
    return holdings;
}

}  // namespace secrets::service
