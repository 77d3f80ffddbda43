// SPDX-License-Identifier: Apache-2.0
// The vault's lists of runs and holds. Those of some owners or of one run cost what they return,
// however much else the vault holds.

#include <algorithm>
#include <queue>

#include "agentd/vault/vault.h"

namespace secrets::vault {

std::vector<const RunHead*> Vault::runs() const {
    std::vector<const RunHead*> heads;
    heads.reserve(runs_.size());
    for (const auto& [id, run] : runs_) heads.push_back(&run.head);
    std::sort(heads.begin(), heads.end(),
              [](const RunHead* a, const RunHead* b) { return a->id < b->id; });
    return heads;
}

std::vector<const Hold*> Vault::holds() const {
    std::vector<const Hold*> holds;
    holds.reserve(holds_.size());
    for (const auto& [job, stored] : holds_) holds.push_back(&stored.hold);
    std::sort(holds.begin(), holds.end(),
              [](const Hold* a, const Hold* b) { return a->job < b->job; });
    return holds;
}

std::vector<JobId> Vault::jobs_that_end_runs(JobId after, std::size_t most) const {
    std::vector<JobId> jobs;
    auto entry = runs_by_job_.upper_bound(after);
    while (entry != runs_by_job_.end() && jobs.size() < most) {
        jobs.push_back(entry->first);
        entry = runs_by_job_.upper_bound(entry->first);
    }
    return jobs;
}

std::vector<RunId> Vault::runs_until(JobId job) const {
    std::vector<RunId> runs;
    const auto [begin, end] = runs_by_job_.equal_range(job);
    for (auto entry = begin; entry != end; ++entry) runs.push_back(entry->second);
    return runs;
}

std::vector<Uid> Vault::run_owners() const {
    std::vector<Uid> owners;
    owners.reserve(runs_of_owner_.size());
    for (const auto& [uid, count] : runs_of_owner_) {
        if (count.runs > 0) owners.push_back(Uid{uid});
    }
    return owners;
}

std::vector<const RunHead*> Vault::runs_of(std::span<const Uid> owners, std::string_view after,
                                           std::size_t most) const {
    using Next = RunsByOwner::const_iterator;
    const auto is_later = [](Next a, Next b) { return (*b)->id < (*a)->id; };
    std::priority_queue<Next, std::vector<Next>, decltype(is_later)> next_of_each(is_later);
    const auto add = [&](Next next, Uid owner) {
        if (next != runs_by_owner_.end() && (*next)->owner == owner) next_of_each.push(next);
    };
    for (const Uid owner : owners) {
        add(runs_by_owner_.upper_bound(ByOwner::Key(owner, after)), owner);
    }
    std::vector<const RunHead*> heads;
    while (heads.size() < most && !next_of_each.empty()) {
        Next first = next_of_each.top();
        next_of_each.pop();
        heads.push_back(*first);
        const Uid owner = (*first)->owner;
        add(++first, owner);
    }
    return heads;
}

std::vector<const Hold*> Vault::holders_of(std::string_view run) const {
    std::vector<const Hold*> holds;
    auto holder = holders_.lower_bound(ByRun::View(run, JobId{0}));
    for (; holder != holders_.end() && holder->first == run; ++holder) {
        holds.push_back(&holds_.at(holder->second).hold);
    }
    return holds;
}

std::size_t Vault::runs_of_platform(const std::string& platform) const {
    const auto found = runs_of_platform_.find(platform);
    return found == runs_of_platform_.end() ? 0 : found->second;
}

}  // namespace secrets::vault
