// SPDX-License-Identifier: Apache-2.0
#include "slurmview/placement_cache.h"

#include <algorithm>
#include <utility>

namespace secrets::slurmview {

using slurm_query::JobState;
using slurm_query::Verdict;

Verdict PlacementCache::judge(const slurm_query::Placement& place, Query& query,
                              const NodeCalls& nodes) {
    const std::lock_guard lock(mutex_);
    if (place.job == slurm_query::kNoJob) return judge_address(place, query);
    const auto now = Clock::now();
    std::erase_if(jobs_, [&](const auto& entry) { return entry.second.until <= now; });
    const auto known = jobs_.find(place.job);
    if (known != jobs_.end()) {
        if (known->second.owner != place.owner) return Verdict::other_owner;
        if (!known->second.nodes.contains(place.node)) return Verdict::other_node;
        return judge_address(place, query);
    }
    const auto asked = query.told.find(place.job);
    if (asked == query.told.end()) {
        query.missing.jobs.insert(place.job);
        return Verdict::unknown;
    }
    const StatusOr<Told>& told = asked->second;
    if (!told || told->state == JobState::unknown) {
        query.why = told ? told->why : told.status().message();
        return Verdict::unknown;
    }
    if (told->state == JobState::forgotten) return Verdict::unknown_job;
    if (!told->runs) return Verdict::does_not_run;
    if (told->owner != place.owner) return Verdict::other_owner;
    const auto names = nodes.names_in(told->nodes);
    if (!names) {
        query.why = names.status().message();
        return Verdict::unknown;
    }
    if (std::find(names->begin(), names->end(), place.node) == names->end())
        return Verdict::other_node;
    return judge_address(place, query);
}

/// Returns whether the list of nodes must be loaded, being older than `most`.
bool PlacementCache::needs_nodes(const Query& query, std::chrono::milliseconds most) const {
    if (query.is_last || nodes_tried_at_ >= query.begin) return false;
    const auto now = Clock::now();
    if (now - nodes_since_ < most) return false;
    return nodes_failure_.ok() || now - nodes_tried_at_ >= bounds_.memory_of_failures;
}

/// Decides whether the node is at the address.
Verdict PlacementCache::judge_address(const slurm_query::Placement& place, Query& query) {
    if (needs_nodes(query, bounds_.memory_of_nodes)) {
        query.missing.nodes = true;
        return Verdict::unknown;
    }
    const auto node = nodes_.find(place.node);
    if (node == nodes_.end()) return mismatch(place, query);
    std::set<std::string> due;
    for (const std::string& host : node->second.hosts) {
        const auto answer = hosts_.find(host, place.address, query.begin);
        const bool is_due = answer.is_due && !query.is_last;
        if (is_due) due.insert(host);
        if (!answer.is_there || is_due) continue;
        return place.job == slurm_query::kNoJob ? Verdict::is_node : Verdict::runs_there;
    }
    if (due.empty()) return mismatch(place, query);
    query.missing.hosts.merge(due);
    return Verdict::unknown;
}

/// Decides on a node that seems not to be at the address: only what was asked lately, and answered,
/// makes that certain.
Verdict PlacementCache::mismatch(const slurm_query::Placement& place, Query& query) {
    if (needs_nodes(query, bounds_.doubt_of_nodes)) {
        query.missing.nodes = true;
        return Verdict::unknown;
    }
    if (!nodes_failure_.ok()) {
        query.why = nodes_failure_.message();
        return Verdict::unknown;
    }
    // A list that was requested for this query has not come.
    const bool is_old = Clock::now() - nodes_since_ >= bounds_.doubt_of_nodes;
    if (is_old && nodes_tried_at_ < query.begin) {
        query.why = "slurmctld has not listed its nodes yet";
        return Verdict::unknown;
    }
    const auto node = nodes_.find(place.node);
    // A slurmctld that has just started may list some of its nodes only.
    if (node == nodes_.end() || node->second.listed_at < nodes_since_) return Verdict::no_node;
    for (const std::string& host : node->second.hosts) {
        const auto answer = hosts_.find(host, place.address, query.begin);
        if (answer.failure.ok() && !answer.is_due) continue;
        query.why =
            answer.failure.ok() ? "cannot resolve " + host + " now" : answer.failure.message();
        return Verdict::unknown;
    }
    return Verdict::other_address;
}

void PlacementCache::take_job(JobId job, const Told& told, const NodeCalls& nodes) {
    if (!told.runs) return;
    auto names = nodes.names_in(told.nodes);
    if (!names) return;
    RunningJob running{told.owner, {names->begin(), names->end()}, Clock::now() + bounds_.memory};
    const std::lock_guard lock(mutex_);
    jobs_.insert_or_assign(job, std::move(running));
}

void PlacementCache::take_nodes(StatusOr<NodeAddresses> nodes) {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    nodes_tried_at_ = now;
    nodes_failure_ = nodes.status();
    if (!nodes) return;
    if (nodes->empty()) {
        nodes_failure_ = Status::failed("slurmctld lists no nodes");
        return;
    }
    nodes_since_ = now;
    for (auto& [name, hosts] : *nodes) nodes_[name] = {std::move(hosts), now};
    std::erase_if(nodes_, [&](const auto& entry) {
        return now - entry.second.listed_at > bounds_.memory_of_nodes;
    });
}

void PlacementCache::take_host(const std::string& host,
                               StatusOr<std::vector<std::string>> addresses) {
    const std::lock_guard lock(mutex_);
    hosts_.take(host, std::move(addresses));
}

bool PlacementCache::knows_job(JobId job) {
    const std::lock_guard lock(mutex_);
    const auto known = jobs_.find(job);
    return known != jobs_.end() && known->second.until > Clock::now();
}

bool PlacementCache::has_nodes_since(Clock::time_point begin) {
    const std::lock_guard lock(mutex_);
    return nodes_tried_at_ >= begin;
}

bool PlacementCache::has_host_since(const std::string& host, Clock::time_point begin) {
    const std::lock_guard lock(mutex_);
    return hosts_.was_looked_up(host, begin);
}

}  // namespace secrets::slurmview
