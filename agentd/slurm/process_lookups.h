// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finds the jobs of this host's processes, a few at a time.

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <list>
#include <map>
#include <string>

#include "agentd/slurm/query_client.h"
#include "common/ipc/unix_socket.h"

namespace secrets::slurm {

/// Queries slurm-secrets-view for the jobs of processes. Any user's process may ask, so that only a
/// few queries are open at a time, and the others wait for their turn: first that of the user with
/// the fewest open ones. Other queries thus find slurm-secrets-view free. Must outlive the loop's
/// run.
class ProcessLookups {
  public:
    using Clock = std::chrono::steady_clock;

    /// The number of queries at a time, fewer than slurm-secrets-view accepts.
    static constexpr std::size_t kMostQueries = 8;

    /// The limit for one process, whose submission waits for it.
    static constexpr auto kPatience = std::chrono::milliseconds(700);

    ProcessLookups(boost::asio::io_context& loop, std::string view_socket,
                   std::chrono::milliseconds patience = kPatience)
        : loop_(loop), view_socket_(std::move(view_socket)), patience_(patience) {}

    /// Returns the job to which the process belongs, or slurm_query::kNoJob, in time.
    boost::asio::awaitable<StatusOr<JobId>> job_of(Peer process);

  private:
    struct Waiter {
        Uid uid;
        boost::asio::steady_timer timer;
        bool has_turn = false;
    };

    boost::asio::awaitable<bool> wait_for_turn(Uid uid, Clock::time_point until);
    void take_turn(Uid uid);
    void end_turn(Uid uid);

    boost::asio::io_context& loop_;
    const std::string view_socket_;
    const std::chrono::milliseconds patience_;
    std::size_t queries_ = 0;
    std::map<Uid, std::size_t> queries_of_;  ///< without users who have none
    std::list<Waiter*> waiters_;             ///< in order of arrival, on stacks of wait_for_turn()
};

}  // namespace secrets::slurm
