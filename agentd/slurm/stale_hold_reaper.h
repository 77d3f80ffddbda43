// SPDX-License-Identifier: Apache-2.0
#pragma once
// Wipes the holds of jobs that ended without an epilog according to Slurm, and removes the jobs'
// files.

#include <boost/asio/steady_timer.hpp>
#include <span>

#include "agentd/audit/outage_log.h"
#include "agentd/base/supervisor.h"
#include "agentd/config/config.h"
#include "agentd/service/services.h"
#include "agentd/slurm/forgotten_jobs.h"
#include "agentd/slurm/job_file_cleaner.h"
#include "agentd/slurm/query_client.h"

namespace secrets::slurm {

/// Queries slurm-secrets-view at every interval about the jobs of holds and files that are at least
/// one interval old. If slurm-secrets-view can't be reached or can't tell, nothing is wiped. Must
/// outlive the loop's run.
class StaleHoldReaper {
  public:
    StaleHoldReaper(boost::asio::io_context& loop, Supervisor& supervisor, const Config& config,
                    service::Services& services);

    /// Stops querying; the coroutine ends in the loop's next turn.
    void stop();

  private:
    boost::asio::awaitable<void> run();
    std::vector<JobId> jobs_to_ask_about();
    boost::asio::awaitable<void> ask_about(std::vector<JobId> jobs);

    service::Services& services_;
    JobFileCleaner files_;
    std::chrono::seconds interval_;
    slurm::QueryClient view_;
    boost::asio::steady_timer timer_;
    ForgottenJobs forgotten_;
    bool stopped_ = false;
    audit::OutageLog trouble_{"cannot wipe the holds of jobs that ended without an epilog: ",
                              "slurm-secrets-view answers for every job again"};
};

}  // namespace secrets::slurm
