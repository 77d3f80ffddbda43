// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asks slurm-secrets-view (common/ipc/slurm_query_protocol.h), in the event loop: nothing here
// blocks it.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <span>
#include <string>

#include "common/ipc/slurm_query_protocol.h"

namespace secrets::slurm {

/// Must outlive its question.
class QueryClient {
  public:
    QueryClient(boost::asio::io_context& loop, std::string socket)
        : loop_(loop), socket_(std::move(socket)) {}

    /// The states of at most kMaxJobsPerQuery jobs, in their order; some may be unknown, and a
    /// sentence then says why. The Error: the view can't be asked, or did not answer in time. One
    /// question at a time.
    boost::asio::awaitable<StatusOr<slurm_query::States>> ask(std::span<const JobId> jobs,
                                                              std::chrono::milliseconds patience);

    /// All users of a Slurm account, whose name check_account_name() takes; `more` is false.
    /// The patience is for each of the replies that it takes.
    boost::asio::awaitable<StatusOr<slurm_query::Users>> ask_users(
        std::string account, std::chrono::milliseconds patience);

    /// Whether each of at most kMaxPlacementsPerQuery jobs runs where it is said to; some may be
    /// unknown, and a sentence then says why.
    boost::asio::awaitable<StatusOr<slurm_query::Verdicts>> ask_placements(
        std::vector<slurm_query::Placement> places, std::chrono::milliseconds patience);

    /// Ends the question that is being asked, with an Error.
    void cancel();

  private:
    boost::asio::awaitable<StatusOr<slurm_query::Reply>> exchange(
        slurm_query::Request request, std::chrono::milliseconds patience);
    boost::asio::awaitable<bool> wait_for_reply(int fd, std::chrono::milliseconds patience);

    boost::asio::io_context& loop_;
    std::string socket_;
    boost::asio::posix::stream_descriptor* waiting_ = nullptr;  ///< on the stack of ask()
};

}  // namespace secrets::slurm
