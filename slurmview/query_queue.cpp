// SPDX-License-Identifier: Apache-2.0
#include "slurmview/query_queue.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "common/base/limits.h"
#include "slurmview/placement_cache.h"

namespace secrets::slurmview {

using slurm_query::JobState;
using slurm_query::Refused;
using Clock = std::chrono::steady_clock;

namespace {

std::string in_seconds(Clock::duration duration) {
    return std::to_string(std::chrono::round<std::chrono::seconds>(duration).count()) + " s";
}

/// Returns the users after `after`, as many as one reply holds.
slurm_query::Users page_of(const AccountUsers& account, const std::string& after) {
    const auto& all = account.users;
    const auto first = std::upper_bound(all.begin(), all.end(), after);
    const auto count = std::min(all.end() - first, std::ptrdiff_t{kMaxUsersPerReply});
    return {account.known, first + count != all.end(), {first, first + count}};
}

}  // namespace

/// A query for jobs, and the results so far. Shared with the query thread, which may continue after
/// the caller has stopped waiting.
struct QueryQueue::OfJobs {
    std::mutex mutex;
    std::vector<JobId> jobs;
    std::vector<JobState> states;
    std::vector<std::pair<JobId, Time>> active;  ///< with the time of the query
    std::string why;
    bool abandoned = false;  ///< the caller no longer waits for the remaining results

    void ask(const ControllerCalls& calls) {
        std::unique_lock lock(mutex);
        for (std::size_t i = 0; i < jobs.size() && !abandoned; ++i) {
            lock.unlock();
            const auto told = calls.ask_about_job(jobs[i]);
            lock.lock();
            if (!told) {
                why = told.status().message();
                return;
            }
            states[i] = told->state;
            if (told->state == JobState::unknown) why = told->why;
            if (told->state == JobState::active) active.emplace_back(jobs[i], Clock::now());
        }
    }
};

/// The same for the users of an account.
struct QueryQueue::OfAccount {
    std::mutex mutex;
    std::string account;
    StatusOr<AccountUsers> told = Status::failed("");

    void ask(const ControllerCalls& calls) {
        auto users = calls.users_of(account);
        const std::lock_guard lock(mutex);
        told = std::move(users);
    }
};

/// The same for placements.
struct QueryQueue::OfPlaces {
    std::mutex mutex;
    std::vector<slurm_query::Placement> places;
    slurm_query::Verdicts told;
    bool abandoned = false;

    void ask(PlacementCache& book) {
        std::unique_lock lock(mutex);
        for (std::size_t i = 0; i < places.size() && !abandoned; ++i) {
            lock.unlock();
            const auto verdict = book.verdict_on(places[i]);
            lock.lock();
            if (verdict) {
                told.verdicts[i] = *verdict;
            } else {
                told.sentence = verdict.status().message();
            }
        }
    }
};

/// The same for the job of a process.
struct QueryQueue::OfProcess {
    std::mutex mutex;
    std::uint32_t pid = 0;
    StatusOr<JobId> told = Status::failed("");

    void ask(const ControllerCalls& calls) {
        auto job = calls.job_of_process(pid);
        const std::lock_guard lock(mutex);
        told = std::move(job);
    }
};

QueryQueue::QueryQueue(ControllerCalls calls, Bounds bounds)
    : calls_(std::move(calls)),
      bounds_(bounds),
      places_(std::make_shared<PlacementCache>(calls_, bounds_)) {}

QueryQueue::~QueryQueue() = default;

slurm_query::Reply QueryQueue::answer(const slurm_query::Request& request) {
    if (const auto* account = std::get_if<slurm_query::AccountRequest>(&request)) {
        return users_of(*account);
    }
    if (const auto* asked = std::get_if<slurm_query::PlacementsRequest>(&request)) {
        return verdicts_on(asked->places);
    }
    if (const auto* process = std::get_if<slurm_query::ProcessRequest>(&request)) {
        return job_of(process->pid);
    }
    return states_of(std::get<slurm_query::JobsRequest>(request).jobs);
}

slurm_query::Reply QueryQueue::states_of(std::span<const JobId> jobs) {
    const auto now = Clock::now();
    std::erase_if(active_until_, [&](const auto& entry) { return entry.second <= now; });
    slurm_query::States reply{std::vector(jobs.size(), JobState::active), ""};
    const auto question = std::make_shared<OfJobs>();
    std::vector<std::size_t> places;  // positions in the reply of the query's jobs
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (active_until_.contains(jobs[i])) continue;
        question->jobs.push_back(jobs[i]);
        places.push_back(i);
    }
    if (places.empty()) return reply;
    question->states.assign(places.size(), JobState::unknown);
    const auto outcome =
        thread_.run([question, calls = calls_] { question->ask(calls); }, bounds_.patience);
    if (outcome == QueryThread::Outcome::busy) return still_waiting();
    const std::lock_guard lock(question->mutex);
    if (outcome == QueryThread::Outcome::late) {
        question->abandoned = true;
        question->why = too_late();
    }
    for (const auto& [job, since] : question->active) active_until_[job] = since + bounds_.memory;
    for (std::size_t i = 0; i < places.size(); ++i) reply.states[places[i]] = question->states[i];
    reply.sentence = question->why;
    return reply;
}

/// Asks a question in the thread. Returns the reply to give if the question was not answered.
template <typename Question>
std::optional<slurm_query::Reply> QueryQueue::refusal_of(
    const std::shared_ptr<Question>& question) {
    const auto outcome =
        thread_.run([question, calls = calls_] { question->ask(calls); }, bounds_.patience);
    if (outcome == QueryThread::Outcome::busy) return still_waiting();
    if (outcome == QueryThread::Outcome::late) return Refused{too_late()};
    const std::lock_guard lock(question->mutex);
    if (!question->told) return Refused{question->told.status().message()};
    return std::nullopt;
}

slurm_query::Reply QueryQueue::users_of(const slurm_query::AccountRequest& request) {
    const bool goes_on =
        !request.after.empty() && request.account == account_ && Clock::now() < users_until_;
    if (goes_on) return page_of(users_, request.after);
    const auto question = std::make_shared<OfAccount>();
    question->account = request.account;
    if (auto why_not = refusal_of(question)) return std::move(*why_not);
    const std::lock_guard lock(question->mutex);
    account_ = request.account;
    users_ = std::move(question->told).value();
    users_until_ = Clock::now() + bounds_.memory_of_users;
    return page_of(users_, request.after);
}

slurm_query::Reply QueryQueue::job_of(std::uint32_t pid) {
    const auto question = std::make_shared<OfProcess>();
    question->pid = pid;
    if (auto why_not = refusal_of(question)) return std::move(*why_not);
    const std::lock_guard lock(question->mutex);
    return slurm_query::JobOfProcess{*question->told};
}

slurm_query::Reply QueryQueue::verdicts_on(std::span<const slurm_query::Placement> places) {
    const auto question = std::make_shared<OfPlaces>();
    question->places.assign(places.begin(), places.end());
    question->told.verdicts.assign(places.size(), slurm_query::Verdict::unknown);
    const auto outcome =
        thread_.run([question, book = places_] { question->ask(*book); }, bounds_.patience);
    if (outcome == QueryThread::Outcome::busy) return still_waiting();
    const std::lock_guard lock(question->mutex);
    if (outcome == QueryThread::Outcome::late) {
        question->abandoned = true;
        question->told.sentence = too_late();
    }
    return question->told;
}

Refused QueryQueue::still_waiting() const {
    return {"still waiting for slurmctld, which was queried " + in_seconds(thread_.busy_for()) +
            " ago"};
}

std::string QueryQueue::too_late() const {
    return "slurmctld did not answer within " + in_seconds(bounds_.patience);
}

}  // namespace secrets::slurmview
