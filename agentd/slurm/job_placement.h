// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asks slurm-secrets-view whether jobs run where nodes say that they do.

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agentd/base/supervisor.h"
#include "agentd/net/async_condition.h"
#include "agentd/slurm/query_client.h"

namespace secrets::slurm {

/// What Slurm says of a place, or that nobody could say it in time.
struct PlacementAnswer {
    slurm_query::Verdict verdict = slurm_query::Verdict::unknown;
    std::string why{};  ///< of an unknown one
};

/// QueryQueue that come while one is being asked are put together into the next: what a thousand
/// nodes ask about one job costs few of them. A place that nobody can tell of is asked about again
/// until its time is up. Must outlive the loop's run.
class JobPlacement {
  public:
    using Clock = std::chrono::steady_clock;

    JobPlacement(boost::asio::io_context& loop, Supervisor& supervisor, std::string view_socket);

    /// By `deadline` at the latest.
    boost::asio::awaitable<PlacementAnswer> ask(slurm_query::Placement place,
                                                Clock::time_point deadline);

    /// Answers all that is asked with "unknown".
    void stop();

  private:
    struct Waiter {
        slurm_query::Placement place;
        boost::asio::steady_timer timer;
        std::optional<PlacementAnswer> answer{};
    };
    using Number = std::uint64_t;  ///< in the order of their coming

    boost::asio::awaitable<void> run();
    std::map<Number, Waiter*> next_ones();

    boost::asio::io_context& loop_;
    QueryClient view_;
    boost::asio::steady_timer pause_;
    std::map<Number, Waiter*> waiters_;  ///< on the stacks of ask()
    Number next_number_ = 0;
    Number last_asked_ = 0;
    net::AsyncCondition asked_;
    bool stopped_ = false;
    std::string why_unknown_ = "slurm-secrets-view was not asked yet";
};

}  // namespace secrets::slurm
