// SPDX-License-Identifier: Apache-2.0
#include "slurmview/query_queue.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <variant>

#include "common/base/limits.h"
#include "slurmview/placement_queries.h"

namespace secrets::slurmview {

using slurm_query::JobState;
using slurm_query::Refused;
using Clock = std::chrono::steady_clock;
using Outcome = QueryThread::Outcome;

namespace {

/// Returns the users after `after`, as many as one reply holds.
slurm_query::Users page_of(const AccountUsers& account, const std::string& after) {
    const auto& all = account.users;
    const auto first = std::upper_bound(all.begin(), all.end(), after);
    const auto count = std::min(all.end() - first, std::ptrdiff_t{kMaxUsersPerReply});
    return {account.known, first + count != all.end(), {first, first + count}};
}

/// Counts itself while it exists.
class OneOf {
  public:
    explicit OneOf(std::atomic<unsigned>& count) : count_(count), number_(++count) {}
    OneOf(const OneOf&) = delete;
    OneOf& operator=(const OneOf&) = delete;
    ~OneOf() { --count_; }

    /// Returns how many there were at the time, with this one.
    unsigned number() const { return number_; }

  private:
    std::atomic<unsigned>& count_;
    const unsigned number_;
};

}  // namespace

/// A query for jobs, and the results so far. Shared with the query thread, which may continue after
/// the caller has stopped waiting.
struct QueryQueue::OfJobs {
    std::mutex mutex;
    std::vector<JobId> jobs;
    std::vector<JobState> states;
    std::vector<std::pair<JobId, Time>> active;  ///< with the time of the query
    std::vector<JobId> doubtful;
    std::string why;
    bool abandoned = false;  ///< the caller no longer waits for the remaining results

    void ask(const std::function<StatusOr<Told>(JobId)>& ask_about_job) {
        std::unique_lock lock(mutex);
        for (std::size_t i = 0; i < jobs.size() && !abandoned; ++i) {
            lock.unlock();
            const auto told = ask_about_job(jobs[i]);
            lock.lock();
            if (!told) {
                why = told.status().message();
                return;
            }
            states[i] = told->state;
            if (told->state == JobState::unknown) why = told->why;
            if (told->is_doubtful) doubtful.push_back(jobs[i]);
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

/// The same for the steps on this host.
struct QueryQueue::OfSteps {
    std::mutex mutex;
    StatusOr<std::set<JobId>> told = Status::failed("");

    void ask(const ControllerCalls& calls) {
        auto jobs = calls.jobs_with_steps();
        const std::lock_guard lock(mutex);
        told = std::move(jobs);
    }
};

QueryQueue::QueryQueue(ControllerCalls calls, Bounds bounds)
    : calls_(std::move(calls)),
      bounds_(bounds),
      controller_("slurmctld", bounds.patience),
      slurmd_("slurmd", bounds.patience),
      resolver_("the name service", bounds.patience),
      places_(std::make_unique<PlacementQueries>(calls_, bounds_, controller_, resolver_)) {}

QueryQueue::~QueryQueue() = default;

slurm_query::Reply QueryQueue::answer(const slurm_query::Request& request) {
    if (const auto* account = std::get_if<slurm_query::AccountRequest>(&request)) {
        return users_of(*account);
    }
    if (const auto* asked = std::get_if<slurm_query::PlacementsRequest>(&request)) {
        return places_->answer(*asked);
    }
    if (const auto* process = std::get_if<slurm_query::ProcessRequest>(&request)) {
        return job_of(process->pid);
    }
    const auto& asked = std::get<slurm_query::JobsRequest>(request);
    return asked.for_good ? ends_of(asked) : states_of(asked.jobs);
}

slurm_query::Reply QueryQueue::states_of(std::span<const JobId> jobs) {
    slurm_query::States reply{std::vector(jobs.size(), JobState::active), ""};
    const auto question = std::make_shared<OfJobs>();
    std::vector<std::size_t> places;  // positions in the reply of the query's jobs
    {
        const std::lock_guard lock(mutex_);
        const auto now = Clock::now();
        std::erase_if(active_until_, [&](const auto& entry) { return entry.second <= now; });
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            if (active_until_.contains(jobs[i])) continue;
            question->jobs.push_back(jobs[i]);
            places.push_back(i);
        }
    }
    if (places.empty()) return reply;
    question->states.assign(places.size(), JobState::unknown);
    const auto until = Clock::now() + bounds_.patience;
    const auto outcome =
        controller_.run([question, ask = calls_.ask_about_job] { question->ask(ask); }, until);
    if (outcome == Outcome::busy && places.size() == jobs.size())
        return Refused{controller_.why_not(outcome, bounds_.patience)};
    std::vector<JobId> doubtful;
    {
        const std::scoped_lock lock(question->mutex, mutex_);
        if (outcome != Outcome::done) {
            question->abandoned = true;
            question->why = controller_.why_not(outcome, bounds_.patience);
        }
        for (const auto& [job, since] : question->active)
            active_until_[job] = since + bounds_.memory;
        for (std::size_t i = 0; i < places.size(); ++i)
            reply.states[places[i]] = question->states[i];
        reply.sentence = question->why;
        doubtful = question->doubtful;
    }
    if (!doubtful.empty()) check_steps(doubtful, jobs, until, reply);
    return reply;
}

slurm_query::Reply QueryQueue::ends_of(const slurm_query::JobsRequest& asked) {
    const auto question = std::make_shared<OfJobs>();
    question->jobs = asked.jobs;
    question->states.assign(asked.jobs.size(), JobState::unknown);
    std::map<JobId, Uid> owners;
    for (std::size_t i = 0; i < asked.jobs.size(); ++i) owners[asked.jobs[i]] = asked.owners[i];
    const auto ask = [owners = std::move(owners), ask = calls_.ask_for_end](JobId job) {
        auto told = ask(job);
        const Uid owner = owners.at(job);
        const bool is_another_job = owner != slurm_query::kAnyUser && told && told->owner != owner;
        if (is_another_job && told->state == JobState::ended) told->state = JobState::forgotten;
        return told;
    };
    const auto until = Clock::now() + bounds_.patience;
    const auto outcome = controller_.run([question, ask] { question->ask(ask); }, until);
    if (outcome == Outcome::busy) return Refused{controller_.why_not(outcome, bounds_.patience)};
    const std::lock_guard lock(question->mutex);
    if (outcome != Outcome::done) {
        question->abandoned = true;
        question->why = controller_.why_not(outcome, bounds_.patience);
    }
    return slurm_query::States{question->states, question->why};
}

/// Asks slurmd for the steps of jobs of which slurmctld may have lost that they run.
void QueryQueue::check_steps(std::span<const JobId> doubtful, std::span<const JobId> jobs,
                             Time until, slurm_query::States& reply) {
    const auto question = std::make_shared<OfSteps>();
    const auto refusal = refusal_of(slurmd_, question, until);
    const std::lock_guard lock(question->mutex);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (std::find(doubtful.begin(), doubtful.end(), jobs[i]) == doubtful.end()) continue;
        if (refusal) {
            reply.states[i] = JobState::unknown;
        } else if (question->told->contains(jobs[i])) {
            reply.states[i] = JobState::active;
        }
    }
    if (refusal) reply.sentence = std::get<Refused>(*refusal).sentence;
}

/// Asks a question in the thread, and waits until that time. Returns the reply to give if the
/// question was not answered.
template <typename Question>
std::optional<slurm_query::Reply> QueryQueue::refusal_of(QueryThread& thread,
                                                         const std::shared_ptr<Question>& question,
                                                         Time until) {
    const auto begin = Clock::now();
    const auto outcome = thread.run([question, calls = calls_] { question->ask(calls); }, until);
    if (outcome != Outcome::done) return Refused{thread.why_not(outcome, until - begin)};
    const std::lock_guard lock(question->mutex);
    if (!question->told) return Refused{question->told.status().message()};
    return std::nullopt;
}

slurm_query::Reply QueryQueue::users_of(const slurm_query::AccountRequest& request) {
    {
        const std::lock_guard lock(mutex_);
        const bool goes_on =
            !request.after.empty() && request.account == account_ && Clock::now() < users_until_;
        if (goes_on) return page_of(users_, request.after);
    }
    const auto question = std::make_shared<OfAccount>();
    question->account = request.account;
    const auto until = Clock::now() + bounds_.patience;
    if (auto why_not = refusal_of(controller_, question, until)) return std::move(*why_not);
    const std::scoped_lock lock(question->mutex, mutex_);
    account_ = request.account;
    users_ = std::move(question->told).value();
    users_until_ = Clock::now() + bounds_.memory_of_users;
    return page_of(users_, request.after);
}

slurm_query::Reply QueryQueue::job_of(std::uint32_t pid) {
    const OneOf one(processes_);
    if (one.number() > bounds_.most_processes)
        return Refused{"slurm-secrets-view looks for the jobs of too many processes already"};
    const auto question = std::make_shared<OfProcess>();
    question->pid = pid;
    const auto until = Clock::now() + bounds_.patience_for_process;
    if (auto why_not = refusal_of(slurmd_, question, until)) return std::move(*why_not);
    const std::lock_guard lock(question->mutex);
    return slurm_query::JobOfProcess{*question->told};
}

}  // namespace secrets::slurmview
