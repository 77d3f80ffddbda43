// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/run_end_watcher.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <limits>
#include <optional>

#include "agentd/service/shared_run_changes.h"
#include "common/base/limits.h"

namespace secrets::slurm {
namespace {

namespace asio = boost::asio;

/// Longer than slurm-secrets-view takes, whatever slurmctld does.
constexpr auto kPatience = std::chrono::seconds(15);

/// Longest time between two rounds of questions.
constexpr auto kInterval = std::chrono::seconds(15);

/// Pause after the first question about a job whose hold was wiped: its epilogs may still run.
constexpr auto kFirstPause = std::chrono::milliseconds(250);

/// Time for a change in the store that hubs share.
constexpr auto kPatienceToEnd = std::chrono::seconds(10);

}  // namespace

RunEndWatcher::RunEndWatcher(asio::io_context& loop, Supervisor& supervisor, const Config& config,
                             service::Services& services, service::SharedStore* shared)
    : services_(services),
      shared_(shared),
      interval_(std::min<Clock::duration>(config.reaper_interval, kInterval)),
      view_(loop, config.view_socket),
      timer_(loop),
      next_round_(Clock::now() + interval_) {
    supervisor.start("run_ends", [this] { return run(); });
}

void RunEndWatcher::stop() {
    stopped_ = true;
    timer_.cancel();
    view_.cancel();
}

void RunEndWatcher::look_soon(JobId job) {
    if (stopped_ || services_.run_ends.runs_until(job).empty()) return;
    urgent_[job] = {Clock::now(), kFirstPause};
    timer_.cancel();
}

asio::awaitable<void> RunEndWatcher::run() {
    while (!stopped_) {
        timer_.expires_at(next_time());
        boost::system::error_code woken;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        if (stopped_) co_return;
        std::vector<JobId> jobs = jobs_to_ask_about();
        if (!jobs.empty()) co_await ask_about(std::move(jobs));
    }
}

RunEndWatcher::Clock::time_point RunEndWatcher::next_time() const {
    auto time = next_round_;
    for (const auto& [job, urgent] : urgent_) time = std::min(time, urgent.at);
    return time;
}

/// Returns the urgent jobs that are due and, if a round is due, the next ones in turn, as many as
/// one query holds. Many jobs are asked about in several rounds, which follow each other sooner.
std::vector<JobId> RunEndWatcher::jobs_to_ask_about() {
    const auto now = Clock::now();
    std::vector<JobId> jobs;
    for (auto entry = urgent_.begin(); entry != urgent_.end() && jobs.size() < kMaxJobsPerQuery;) {
        auto& [job, urgent] = *entry;
        if (urgent.at > now) {
            ++entry;
            continue;
        }
        jobs.push_back(job);
        urgent.pause *= 2;
        urgent.at = now + urgent.pause;
        // Its turn comes as soon.
        entry = urgent.pause < interval_ ? std::next(entry) : urgent_.erase(entry);
    }
    if (now < next_round_) return jobs;
    const std::size_t room = kMaxJobsPerQuery - jobs.size();
    const auto others = services_.run_ends.jobs(last_asked_, room);
    const bool is_last = others.size() < room;
    last_asked_ = is_last || others.empty() ? JobId() : others.back();
    if (is_last) forget_answers();
    next_round_ =
        now + (is_last ? interval_ : std::min<Clock::duration>(interval_, std::chrono::seconds(1)));
    for (const JobId job : others) {
        if (std::find(jobs.begin(), jobs.end(), job) == jobs.end()) jobs.push_back(job);
    }
    return jobs;
}

/// Drops the answers about jobs with which no run ends any more.
void RunEndWatcher::forget_answers() {
    const auto all = services_.run_ends.jobs(JobId(), std::numeric_limits<std::size_t>::max());
    forgotten_.keep_only({all.begin(), all.end()});
}

/// Returns the user whose runs end with the job, to whom it belongs if it is the runs' head; of
/// several users' runs, nobody can tell.
Uid RunEndWatcher::owner_of_runs(JobId job) const {
    std::optional<Uid> owner;
    for (const RunId& run : services_.run_ends.runs_until(job)) {
        const Uid of_run = services_.context.vault.find_run(run)->owner;
        if (owner && *owner != of_run) return slurm_query::kAnyUser;
        owner = of_run;
    }
    return owner.value_or(slurm_query::kAnyUser);
}

asio::awaitable<void> RunEndWatcher::ask_about(std::vector<JobId> jobs) {
    std::vector<Uid> owners;
    owners.reserve(jobs.size());
    for (const JobId job : jobs) owners.push_back(owner_of_runs(job));
    const auto told = co_await view_.ask_ends(jobs, owners, kPatience);
    if (stopped_) co_return;
    trouble_.note(told ? told->sentence : told.status().message());
    if (!told) co_return;
    for (std::size_t i = 0; i < jobs.size() && !stopped_; ++i) {
        const JobId job = jobs[i];
        auto state = told->states[i];
        // Slurm has lost the job, which still runs.
        if (services_.run_ends.has_hold(job) && state == slurm_query::JobState::forgotten)
            state = slurm_query::JobState::unknown;
        if (!forgotten_.has_ended(job, state)) continue;
        co_await end_runs(job);
    }
}

asio::awaitable<void> RunEndWatcher::end_runs(JobId job) {
    urgent_.erase(job);
    forgotten_.erase(job);
    const std::vector<RunId> runs = services_.run_ends.runs_until(job);
    for (const RunId& run : runs) {
        const auto deadline = service::SharedStore::Clock::now() + kPatienceToEnd;
        const auto failure = co_await service::end_run(services_, shared_, run, job, deadline);
        if (stopped_) co_return;
        // It stays among those to ask about.
        writing_.note(failure.message());
        if (!failure.ok()) co_return;
    }
}

}  // namespace secrets::slurm
