// SPDX-License-Identifier: Apache-2.0
#pragma once
// Binds runs to their head jobs, and repeats what could not be done at a head's start.

#include <boost/asio/steady_timer.hpp>
#include <map>

#include "agentd/audit/outage_log.h"
#include "agentd/base/supervisor.h"
#include "agentd/service/run_end_service.h"

namespace secrets::service {

/// A head job's step waits only seconds for its binding. If no hub, Slurm or shared store answers
/// in this time, the binding is repeated as long as this host holds something for the job. Must
/// outlive the loop's run.
class HeadBindings {
  public:
    /// Binds a run once; StatusCode::unavailable: it can't be done now.
    using Bind = std::function<boost::asio::awaitable<Status>(RunBinding)>;

    /// All objects passed by reference must outlive this.
    HeadBindings(boost::asio::io_context& loop, Supervisor& supervisor,
                 const ServiceContext& context, Bind bind);

    boost::asio::awaitable<Status> bind(RunBinding binding);
    /// Stops repeating; the coroutine ends in the loop's next turn.
    void stop();

  private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> repeat();
    bool is_left(const Status& outcome);

    const ServiceContext& context_;
    Bind bind_;
    boost::asio::steady_timer timer_;
    std::map<JobId, RunBinding> pending_;
    bool stopped_ = false;
    audit::OutageLog trouble_{"cannot end runs with their head jobs: ",
                              "runs end with their head jobs again"};
};

}  // namespace secrets::service
