// SPDX-License-Identifier: Apache-2.0
#pragma once
// Queries slurm-secrets-view (common/ipc/slurm_query_protocol.h) in the event loop, without
// blocking the loop.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <span>
#include <string>

#include "common/ipc/slurm_query_protocol.h"

namespace secrets::slurm {

/// Must outlive its pending query.
class QueryClient {
  public:
    QueryClient(boost::asio::io_context& loop, std::string socket)
        : loop_(loop), socket_(std::move(socket)) {}

    /// Returns the states of at most kMaxJobsPerQuery jobs, in their order. If some are unknown,
    /// the result's sentence says why. The Status: slurm-secrets-view can't be reached, or did not
    /// answer in time. One query at a time.
    boost::asio::awaitable<StatusOr<slurm_query::States>> ask(std::span<const JobId> jobs,
                                                              std::chrono::milliseconds patience);
    /// Does the same, but a job has ended only if it has for good, with all that belongs to its id:
    /// one that waits in the queue is active.
    boost::asio::awaitable<StatusOr<slurm_query::States>> ask_ends(
        std::span<const JobId> jobs, std::span<const Uid> owners,
        std::chrono::milliseconds patience);

    /// Returns all users of a Slurm account whose name check_account_name() accepts; `more` is
    /// false. The patience applies to each reply.
    boost::asio::awaitable<StatusOr<slurm_query::Users>> ask_users(
        std::string account, std::chrono::milliseconds patience);

    /// Returns whether each of at most kMaxPlacementsPerQuery jobs runs where its placement says.
    /// If some verdicts are unknown, the result's sentence says why.
    boost::asio::awaitable<StatusOr<slurm_query::Verdicts>> ask_placements(
        slurm_query::PlacementsRequest request, std::chrono::milliseconds patience);

    /// Returns the job to which a process of this host belongs, or slurm_query::kNoJob.
    boost::asio::awaitable<StatusOr<JobId>> ask_process(pid_t pid,
                                                        std::chrono::milliseconds patience);

    /// Ends the pending query with a Status.
    void cancel();

  private:
    boost::asio::awaitable<StatusOr<slurm_query::States>> ask_states(
        slurm_query::JobsRequest asked, std::chrono::milliseconds patience);
    boost::asio::awaitable<StatusOr<slurm_query::Reply>> exchange(
        slurm_query::Request request, std::chrono::milliseconds patience);
    boost::asio::awaitable<StatusOr<slurm_query::Reply>> send(slurm_query::Message request,
                                                              std::chrono::milliseconds patience);
    boost::asio::awaitable<bool> wait_for_reply(int fd, std::chrono::milliseconds patience);

    boost::asio::io_context& loop_;
    std::string socket_;
    boost::asio::posix::stream_descriptor* waiting_ = nullptr;  ///< on the stack of ask()
};

}  // namespace secrets::slurm
