// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/process_lookups.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "agentd/base/scope_exit.h"

namespace secrets::slurm {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

asio::awaitable<StatusOr<JobId>> ProcessLookups::job_of(Peer process) {
    if (process.pid == 0) {
        co_return Status::unavailable(
            "the process is outside the pid namespace of the agent, which cannot find its job; "
            "start the agent, slurm-secrets-view and slurmd in one pid namespace");
    }
    const auto until = Clock::now() + patience_;
    if (queries_ < kMostQueries) {
        take_turn(process.uid);
    } else {
        const bool has_turn = co_await wait_for_turn(process.uid, until);
        if (!has_turn)
            co_return Status::unavailable("too many processes ask for their jobs at a time");
    }
    const ScopeExit end([this, uid = process.uid] { end_turn(uid); });
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    QueryClient view(loop_, view_socket_);
    co_return co_await view.ask_process(process.pid, left);
}

/// Waits until an ended query leaves its turn to this one; returns whether that came in time.
asio::awaitable<bool> ProcessLookups::wait_for_turn(Uid uid, Clock::time_point until) {
    Waiter waiter{uid, asio::steady_timer(loop_, until)};
    const auto entry = waiters_.insert(waiters_.end(), &waiter);
    const ScopeExit leave([this, entry] { waiters_.erase(entry); });
    ErrorCode called;
    co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, called));
    co_return waiter.has_turn;
}

void ProcessLookups::take_turn(Uid uid) {
    ++queries_;
    ++queries_of_[uid];
}

/// Gives the turn of an ended query to the next waiter.
void ProcessLookups::end_turn(Uid uid) {
    --queries_;
    if (--queries_of_[uid] == 0) queries_of_.erase(uid);
    Waiter* next = nullptr;
    std::size_t fewest = kMostQueries + 1;
    for (Waiter* waiter : waiters_) {
        const auto found = queries_of_.find(waiter->uid);
        const std::size_t open = found == queries_of_.end() ? 0 : found->second;
        if (waiter->has_turn || open >= fewest) continue;
        next = waiter;
        fewest = open;
    }
    if (next == nullptr) return;
    take_turn(next->uid);
    next->has_turn = true;
    next->timer.cancel();
}

}  // namespace secrets::slurm
