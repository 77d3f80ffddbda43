// SPDX-License-Identifier: Apache-2.0
#include "slurmview/placement_queries.h"

#include <algorithm>
#include <atomic>

namespace secrets::slurmview {

using slurm_query::Verdict;

/// A query, shared with lookups that may go on after its answer. The threads of lookups use the
/// part under `mutex` only.
struct PlacementQueries::Work {
    std::vector<slurm_query::Placement> places;
    slurm_query::Verdicts answer;
    PlacementCache::Query query;

    std::mutex mutex;
    std::map<JobId, StatusOr<Told>> told;
    std::atomic<bool> abandoned{false};
};

PlacementQueries::PlacementQueries(ControllerCalls calls, Bounds bounds, QueryThread& controller,
                                   QueryThread& resolver)
    : calls_(std::move(calls)),
      bounds_(bounds),
      controller_(controller),
      resolver_(resolver),
      cache_(std::make_shared<PlacementCache>(bounds)) {}

/// Decides on the placements that have no verdict yet.
void PlacementQueries::judge(Work& work) const {
    {
        const std::lock_guard lock(work.mutex);
        for (const auto& [job, told] : work.told) work.query.told.insert_or_assign(job, told);
    }
    work.query.missing = {};
    for (std::size_t i = 0; i < work.places.size(); ++i) {
        Verdict& verdict = work.answer.verdicts[i];
        if (verdict != Verdict::unknown) continue;
        verdict = cache_->judge(work.places[i], work.query, calls_.nodes);
    }
}

/// Waits for the lookups of each kind for so long, and no longer than the query's time. Returns why
/// one was not done.
std::string PlacementQueries::look_up(const std::shared_ptr<Work>& work, const Lookups& missing,
                                      std::chrono::milliseconds patience) {
    const auto begin = work->query.begin;
    const auto end = begin + bounds_.patience;
    std::string why;
    const auto run = [&](QueryThread& thread, std::function<void()> lookups) {
        const auto now = QueryThread::Clock::now();
        const auto until = std::min(end, now + patience);
        const auto outcome = thread.run(std::move(lookups), until);
        if (outcome != QueryThread::Outcome::done) why = thread.why_not(outcome, until - now);
    };
    if (!missing.hosts.empty()) {
        run(resolver_, [work, begin, cache = cache_, hosts = missing.hosts,
                        resolve = calls_.nodes.addresses_of] {
            for (const std::string& host : hosts) {
                if (work->abandoned) return;
                if (!cache->has_host_since(host, begin)) cache->take_host(host, resolve(host));
            }
        });
    }
    if (!missing.jobs.empty() || missing.nodes) {
        run(controller_, [work, begin, cache = cache_, missing, calls = calls_] {
            for (const JobId job : missing.jobs) {
                if (work->abandoned) return;
                if (cache->knows_job(job)) continue;
                const auto told = calls.ask_about_job(job);
                if (told) cache->take_job(job, *told, calls.nodes);
                const std::lock_guard lock(work->mutex);
                work->told.insert_or_assign(job, told);
                if (told) continue;
                // slurmctld would not answer for the others, either.
                for (const JobId other : missing.jobs) work->told.try_emplace(other, told);
                break;
            }
            if (missing.nodes && !work->abandoned && !cache->has_nodes_since(begin))
                cache->take_nodes(calls.nodes.all());
        });
    }
    return why;
}

slurm_query::Verdicts PlacementQueries::answer(const slurm_query::PlacementsRequest& request) {
    const auto work = std::make_shared<Work>();
    auto& verdicts = work->answer.verdicts;
    const auto has = [&verdicts](bool known) {
        return std::any_of(verdicts.begin(), verdicts.end(), [known](Verdict verdict) {
            return (verdict != Verdict::unknown) == known;
        });
    };
    work->places = request.places;
    verdicts.assign(request.places.size(), Verdict::unknown);
    std::string why;
    judge(*work);
    while (request.may_look_up && why.empty() && !work->query.missing.empty()) {
        const Lookups missing = work->query.missing;
        const bool asks_controller = missing.nodes || !missing.jobs.empty();
        const bool is_brief = has(true) || (asks_controller && !missing.hosts.empty());
        why = look_up(work, missing, is_brief ? bounds_.patience_for_rest : bounds_.patience);
        judge(*work);
    }
    work->abandoned = true;
    if (!request.may_look_up || !has(false)) return work->answer;
    work->query.is_last = true;
    judge(*work);
    if (has(false)) work->answer.sentence = why.empty() ? work->query.why : why;
    return work->answer;
}

}  // namespace secrets::slurmview
