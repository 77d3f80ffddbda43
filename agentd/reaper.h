#pragma once
// The reaper: wipes the holds of jobs that ended without an epilog, as Slurm tells.

#include <boost/asio/steady_timer.hpp>
#include <span>

#include "agentd/cluster/view_client.h"
#include "agentd/config.h"
#include "agentd/desk/desk.h"

namespace secrets {

/// Asks slurm-secrets-view at every interval about the jobs of holds that are at least that old.
/// Where it can't be asked or can't tell, nothing is wiped. Must outlive the loop's run.
class Reaper {
  public:
    Reaper(boost::asio::io_context& loop, const Config& config, desk::Desk& desk);

    /// Asks no more; its coroutine ends in the loop's next turn.
    void stop();

  private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> ask_about(std::vector<JobId> jobs);
    void note(const std::string& trouble);

    desk::Desk& desk_;
    std::chrono::seconds interval_;
    cluster::ViewClient view_;
    boost::asio::steady_timer timer_;
    bool stopped_ = false;
    bool in_trouble_ = false;
};

}  // namespace secrets
