// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/stale_hold_reaper.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

#include "agentd/audit/audit_log.h"
#include "common/base/limits.h"

namespace secrets::slurm {

namespace asio = boost::asio;

namespace {

/// Longer than slurm-secrets-view takes, whatever slurmctld does.
constexpr auto kPatience = std::chrono::seconds(15);

}  // namespace

StaleHoldReaper::StaleHoldReaper(asio::io_context& loop, Supervisor& supervisor,
                                 const Config& config, service::Services& services)
    : services_(services),
      files_(config.files_directory),
      interval_(config.reaper_interval),
      view_(loop, config.view_socket),
      timer_(loop) {
    supervisor.start("reaper", [this] { return run(); });
}

void StaleHoldReaper::stop() {
    stopped_ = true;
    timer_.cancel();
    view_.cancel();
}

asio::awaitable<void> StaleHoldReaper::run() {
    while (!stopped_) {
        timer_.expires_after(interval_);
        boost::system::error_code cancelled;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        if (stopped_) co_return;
        std::vector<JobId> jobs = jobs_to_ask_about();
        if (!jobs.empty()) co_await ask_about(std::move(jobs));
    }
}

/// Returns old jobs. Files without a hold remain if the agent, which wipes holds at a stop, was
/// stopped while the job ran.
std::vector<JobId> StaleHoldReaper::jobs_to_ask_about() {
    std::vector<JobId> jobs = services_.grants.begin_reaping(interval_);
    const std::set<JobId> holding(jobs.begin(), jobs.end());
    for (const JobId job : files_.jobs(interval_)) {
        if (!holding.contains(job)) jobs.push_back(job);
    }
    return jobs;
}

/// Sends as many queries as needed; after a failed query the rest waits for the next round.
asio::awaitable<void> StaleHoldReaper::ask_about(std::vector<JobId> jobs) {
    forgotten_.keep_only({jobs.begin(), jobs.end()});
    std::string trouble;
    for (std::span<const JobId> rest(jobs); !rest.empty();) {
        const auto some = rest.first(std::min(rest.size(), kMaxJobsPerQuery));
        rest = rest.subspan(some.size());
        const auto told = co_await view_.ask(some, kPatience);
        if (stopped_) co_return;
        if (!told) {
            trouble = told.status().message();
            break;
        }
        for (std::size_t i = 0; i < some.size(); ++i) {
            if (!forgotten_.has_ended(some[i], told->states[i])) continue;
            if (services_.grants.reap(some[i])) files_.remove(some[i]);
        }
        if (!told->sentence.empty()) trouble = told->sentence;
    }
    trouble_.note(trouble);
}

}  // namespace secrets::slurm
