// SPDX-License-Identifier: Apache-2.0
#pragma once
// Completes the runs that end with a job, once Slurm reports that the job has ended for good.

#include <boost/asio/steady_timer.hpp>
#include <map>
#include <vector>

#include "agentd/audit/outage_log.h"
#include "agentd/base/supervisor.h"
#include "agentd/config/config.h"
#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"
#include "agentd/slurm/forgotten_jobs.h"
#include "agentd/slurm/query_client.h"

namespace secrets::slurm {

/// Queries slurm-secrets-view about all jobs with which runs end, in turn, and soon about a job
/// whose hold was wiped: its end and a requeue look alike to a node. If slurm-secrets-view can't be
/// reached or can't tell, no run ends. A job that Slurm has forgotten counts as ended like one of a
/// hold (ForgottenJobs), if it has no hold. Must outlive the loop's run.
class RunEndWatcher {
  public:
    using Clock = std::chrono::steady_clock;

    /// `shared`: the store behind the services; null: local data only. All must outlive this.
    RunEndWatcher(boost::asio::io_context& loop, Supervisor& supervisor, const Config& config,
                  service::Services& services, service::SharedStore* shared);

    /// Asks about a job soon, if a run ends with it, and again with growing pauses.
    void look_soon(JobId job);
    /// Stops querying; the coroutine ends in the loop's next turn.
    void stop();

  private:
    /// When to ask about a job again, outside of its turn.
    struct Urgent {
        Clock::time_point at;
        Clock::duration pause;
    };

    boost::asio::awaitable<void> run();
    Clock::time_point next_time() const;
    std::vector<JobId> jobs_to_ask_about();
    void forget_answers();
    Uid owner_of_runs(JobId job) const;
    boost::asio::awaitable<void> ask_about(std::vector<JobId> jobs);
    boost::asio::awaitable<void> end_runs(JobId job);

    service::Services& services_;
    service::SharedStore* shared_;
    Clock::duration interval_;
    QueryClient view_;
    boost::asio::steady_timer timer_;
    std::map<JobId, Urgent> urgent_;
    ForgottenJobs forgotten_;
    JobId last_asked_{};
    Clock::time_point next_round_;
    bool stopped_ = false;
    audit::OutageLog trouble_{"cannot tell whether the jobs with which runs end have ended: ",
                              "slurm-secrets-view answers for the jobs with which runs end again"};
    audit::OutageLog writing_{"cannot complete a run whose job has ended: ",
                              "runs whose jobs have ended are completed again"};
};

}  // namespace secrets::slurm
