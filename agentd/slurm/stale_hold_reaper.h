// SPDX-License-Identifier: Apache-2.0
#pragma once
// Wipes the holds of jobs that ended without an epilog according to Slurm, and removes the jobs'
// files.

#include <boost/asio/steady_timer.hpp>
#include <map>
#include <span>

#include "agentd/audit/outage_log.h"
#include "agentd/base/supervisor.h"
#include "agentd/config/config.h"
#include "agentd/service/services.h"
#include "agentd/slurm/job_file_cleaner.h"
#include "agentd/slurm/query_client.h"

namespace secrets::slurm {

/// Queries slurm-secrets-view at every interval about the jobs of holds and files that are at least
/// one interval old. If slurm-secrets-view can't be reached or can't tell, nothing is wiped. A job
/// that Slurm has forgotten counts as ended after kForgotten and kLeastForgotten answers in a row,
/// since slurmctld forgets its jobs if it loses its state. Must outlive the loop's run.
class StaleHoldReaper {
  public:
    using Clock = std::chrono::steady_clock;

    static constexpr auto kForgotten = std::chrono::minutes(10);
    static constexpr unsigned kLeastForgotten = 3;

    StaleHoldReaper(boost::asio::io_context& loop, Supervisor& supervisor, const Config& config,
                    service::Services& services);

    /// Stops querying; the coroutine ends in the loop's next turn.
    void stop();

  private:
    boost::asio::awaitable<void> run();
    std::vector<JobId> jobs_to_ask_about();
    boost::asio::awaitable<void> ask_about(std::vector<JobId> jobs);
    bool has_ended(JobId job, slurm_query::JobState state);

    /// Answers in a row that Slurm has forgotten a job.
    struct Forgotten {
        Clock::time_point since;
        unsigned answers = 0;
    };

    service::Services& services_;
    JobFileCleaner files_;
    std::chrono::seconds interval_;
    slurm::QueryClient view_;
    boost::asio::steady_timer timer_;
    std::map<JobId, Forgotten> forgotten_;
    bool stopped_ = false;
    audit::OutageLog trouble_{"cannot wipe the holds of jobs that ended without an epilog: ",
                              "slurm-secrets-view answers for every job again"};
};

}  // namespace secrets::slurm
