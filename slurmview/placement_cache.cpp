// SPDX-License-Identifier: Apache-2.0
#include "slurmview/placement_cache.h"

#include <algorithm>

namespace secrets::slurmview {

using slurm_query::JobState;
using slurm_query::Verdict;

PlacementCache::PlacementCache(ControllerCalls calls, Bounds bounds)
    : calls_(std::move(calls)), bounds_(bounds) {}

StatusOr<Verdict> PlacementCache::verdict_on(const slurm_query::Placement& place) {
    if (place.job == slurm_query::kNoJob) {
        const auto there = is_at(place.node, place.address);
        if (!there) return there.status();
        return *there ? Verdict::is_node : Verdict::other_address;
    }
    const auto job = find_job(place.job);
    if (!job) return job.status();
    if (*job == nullptr) return Verdict::does_not_run;
    if ((*job)->owner != place.owner) return Verdict::other_owner;
    if (!(*job)->nodes.contains(place.node)) return Verdict::other_node;
    const auto there = is_at(place.node, place.address);
    if (!there) return there.status();
    return *there ? Verdict::runs_there : Verdict::other_address;
}

/// Returns null if the job does not run.
StatusOr<const PlacementCache::RunningJob*> PlacementCache::find_job(JobId job) {
    const auto now = Clock::now();
    std::erase_if(jobs_, [&](const auto& entry) { return entry.second.until <= now; });
    if (const auto found = jobs_.find(job); found != jobs_.end()) return &found->second;
    const auto told = calls_.ask_about_job(job);
    if (!told) return told.status();
    if (told->state == JobState::unknown) return Status::failed(told->why);
    if (!told->runs) return nullptr;
    const auto names = calls_.nodes.names_in(told->nodes);
    RunningJob running{told->owner, {names.begin(), names.end()}, Clock::now() + bounds_.memory};
    return &jobs_.emplace(job, std::move(running)).first->second;
}

StatusOr<bool> PlacementCache::is_at(const std::string& node, const std::string& address) {
    const auto age = Clock::now() - nodes_since_;
    if (nodes_.empty() || age > bounds_.memory_of_nodes) {
        if (const Status wrong = load_nodes(); !wrong.ok()) return wrong;
        return known_to_be_at(node, address);
    }
    if (known_to_be_at(node, address)) return true;
    if (age < bounds_.doubt_of_nodes) return false;
    if (const Status wrong = load_nodes(); !wrong.ok()) return wrong;
    return known_to_be_at(node, address);
}

Status PlacementCache::load_nodes() {
    auto nodes = calls_.nodes.all();
    if (!nodes) return nodes.status();
    nodes_ = std::move(nodes).value();
    nodes_since_ = Clock::now();
    return Status();
}

bool PlacementCache::known_to_be_at(const std::string& node, const std::string& address) {
    const auto found = nodes_.find(node);
    if (found == nodes_.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(), [&](const std::string& name) {
        Host& host = hosts_[name];
        // Resolved once for each list of nodes that contains the host.
        if (host.since < nodes_since_) host = {calls_.nodes.addresses_of(name), Clock::now()};
        const auto& addresses = host.addresses;
        return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
    });
}

}  // namespace secrets::slurmview
