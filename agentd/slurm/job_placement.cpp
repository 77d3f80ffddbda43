// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/job_placement.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "agentd/base/scope_exit.h"
#include "common/base/limits.h"

namespace secrets::slurm {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

/// Longer than slurm-secrets-view takes, whatever slurmctld does.
constexpr auto kPatience = std::chrono::seconds(15);

/// Pause after a reply in which some verdict was unknown.
constexpr auto kPause = std::chrono::milliseconds(250);

}  // namespace

JobPlacement::JobPlacement(asio::io_context& loop, Supervisor& supervisor, std::string view_socket)
    : loop_(loop), view_(loop, std::move(view_socket)), pause_(loop) {
    supervisor.start("job_placement", [this] { return run(); });
}

asio::awaitable<PlacementAnswer> JobPlacement::ask(slurm_query::Placement place,
                                                   Clock::time_point deadline) {
    if (stopped_) co_return PlacementAnswer{};
    Waiter waiter{std::move(place), asio::steady_timer(loop_, deadline)};
    const Number number = ++next_number_;
    waiters_.emplace(number, &waiter);
    const ScopeExit forget([this, number] { waiters_.erase(number); });
    asked_.wake();
    ErrorCode answered;
    co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, answered));
    if (waiter.answer) co_return *waiter.answer;
    co_return PlacementAnswer{slurm_query::Verdict::unknown, why_unknown_};
}

/// Returns as many waiters as fit into one query, those that were queried last at the end.
std::map<JobPlacement::Number, JobPlacement::Waiter*> JobPlacement::next_ones() {
    std::map<Number, Waiter*> some;
    Number last = last_asked_;
    const auto take = [&](auto begin, auto end) {
        for (auto each = begin; each != end && some.size() < kMaxPlacementsPerQuery; ++each) {
            if (each->second->answer) continue;
            some.insert(*each);
            last = each->first;
        }
    };
    const auto middle = waiters_.upper_bound(last_asked_);
    take(middle, waiters_.end());
    take(waiters_.begin(), middle);
    last_asked_ = last;
    return some;
}

asio::awaitable<void> JobPlacement::run() {
    while (!stopped_) {
        const auto some = next_ones();
        if (some.empty()) {
            co_await asked_.wait();
            continue;
        }
        std::vector<slurm_query::Placement> places;
        places.reserve(some.size());
        for (const auto& [number, waiter] : some) places.push_back(waiter->place);
        const auto told = co_await view_.ask_placements(std::move(places), kPatience);
        if (stopped_) co_return;
        std::string why = told ? told->sentence : told.status().message();
        bool all_known = true;
        std::size_t i = 0;
        for (const auto& [number, asked] : some) {
            const auto verdict = told ? told->verdicts[i] : slurm_query::Verdict::unknown;
            ++i;
            // A waiter whose time was up is gone.
            const auto waiter = waiters_.find(number);
            if (verdict == slurm_query::Verdict::unknown) all_known = false;
            if (waiter == waiters_.end() || verdict == slurm_query::Verdict::unknown) continue;
            waiter->second->answer = PlacementAnswer{verdict};
            waiter->second->timer.cancel();
        }
        if (all_known) continue;
        why_unknown_ = std::move(why);
        pause_.expires_after(kPause);
        ErrorCode cancelled;
        co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
}

void JobPlacement::stop() {
    stopped_ = true;
    view_.cancel();
    pause_.cancel();
    asked_.wake();
    for (const auto& [number, waiter] : waiters_) waiter->timer.cancel();
}

}  // namespace secrets::slurm
