// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/node_hold_registry.h"

namespace secrets::service {

void NodeHoldRegistry::granted(const std::string& node, const Held& held, Time now) {
    Node& known = nodes_[node];
    known.seen = now;
    known.jobs_of[held.run].insert(held.job);
    nodes_of_[held.run].insert(node);
}

void NodeHoldRegistry::reported(const std::string& node, const std::vector<Held>& held, Time now) {
    if (const auto found = nodes_.find(node); found != nodes_.end()) {
        forget(node, found->second);
        nodes_.erase(found);
    }
    for (const Held& each : held) granted(node, each, now);
}

void NodeHoldRegistry::forget(const std::string& node, Node& known) {
    for (const auto& [run, jobs] : known.jobs_of) {
        const auto holding = nodes_of_.find(run);
        holding->second.erase(node);
        if (holding->second.empty()) nodes_of_.erase(holding);
    }
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
