// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/job_placement.h"

#include <algorithm>
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

/// The time without an unanswered request after which an outage has ended.
constexpr auto kQuiet = std::chrono::seconds(30);

bool is_unknown(slurm_query::Verdict verdict) {
    return verdict == slurm_query::Verdict::unknown;
}

}  // namespace

JobPlacement::JobPlacement(asio::io_context& loop, Supervisor& supervisor,
                           const std::string& view_socket)
    : loop_(loop), memory_(loop, view_socket), view_(loop, view_socket), pause_(loop) {
    supervisor.start("job_placement", [this] { return run_lookups(); });
    supervisor.start("known_placements", [this] { return run_recalls(); });
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
    // A request whose time was too short for a lookup says nothing of Slurm.
    if (waiter.why_unknown.empty())
        waiter.why_unknown = "slurm-secrets-view has not answered yet";
    else if (!stopped_)
        note_expiry(waiter.why_unknown);
    co_return PlacementAnswer{slurm_query::Verdict::unknown, std::move(waiter.why_unknown)};
}

/// Returns waiters that were not queried yet, as many as fit into one query.
JobPlacement::Waiters JobPlacement::new_ones() const {
    Waiters some;
    for (const auto& each : waiters_) {
        if (some.size() >= kMaxPlacementsPerQuery) break;
        if (!each.second->answer && !each.second->is_recalled) some.insert(each);
    }
    return some;
}

/// Returns as many waiters for a lookup as fit into one query, those that were queried last at the
/// end.
JobPlacement::Waiters JobPlacement::next_ones() {
    Waiters some;
    Number last = last_asked_;
    const auto take = [&](auto begin, auto end) {
        for (auto each = begin; each != end && some.size() < kMaxPlacementsPerQuery; ++each) {
            if (each->second->answer || !each->second->is_recalled) continue;
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

std::vector<slurm_query::Placement> JobPlacement::places_of(const Waiters& waiters) {
    std::vector<slurm_query::Placement> places;
    places.reserve(waiters.size());
    for (const auto& [number, waiter] : waiters) places.push_back(waiter->place);
    return places;
}

/// Gives the verdicts to those that still wait. Returns whether slurmctld has just said where some
/// job runs: slurm-secrets-view remembers that for seconds, but addresses of nodes for minutes.
bool JobPlacement::give(const Waiters& asked, const StatusOr<slurm_query::Verdicts>& told) {
    if (!told) return false;
    bool is_about_job = false;
    auto verdict = told->verdicts.begin();
    for (const auto& [number, gone] : asked) {
        const auto given = *verdict++;
        if (is_unknown(given)) continue;
        const auto waiter = waiters_.find(number);  // one whose time was up is gone
        if (waiter == waiters_.end()) continue;
        is_about_job = is_about_job || waiter->second->place.job != slurm_query::kNoJob;
        waiter->second->answer = PlacementAnswer{given};
        waiter->second->timer.cancel();
    }
    return is_about_job;
}

/// Notes why a lookup left some requests unanswered.
void JobPlacement::note_unknown(const Waiters& asked, const StatusOr<slurm_query::Verdicts>& told) {
    const std::string& why = told ? told->sentence : told.status().message();
    // After its first verdicts, slurm-secrets-view waits only briefly for others.
    const bool was_patient =
        !told || std::all_of(told->verdicts.begin(), told->verdicts.end(), is_unknown);
    std::size_t place = 0;
    for (const auto& [number, gone] : asked) {
        const std::size_t i = place++;
        if (told && !is_unknown(told->verdicts[i])) continue;
        const auto waiter = waiters_.find(number);
        if (waiter != waiters_.end()) {
            waiter->second->why_unknown = why;
        } else if (was_patient) {
            note_expiry(why);
        }
    }
}

asio::awaitable<void> JobPlacement::run_recalls() {
    while (!stopped_) {
        const Waiters some = new_ones();
        if (some.empty()) {
            co_await asked_.wait();
            continue;
        }
        slurm_query::PlacementsRequest request{places_of(some), false};
        const auto told = co_await memory_.ask_placements(std::move(request), kPatience);
        if (stopped_) co_return;
        if (give(some, told)) note_answer();
        for (const auto& [number, asked] : some) {
            const auto waiter = waiters_.find(number);
            if (waiter != waiters_.end()) waiter->second->is_recalled = true;
        }
        recalled_.wake();
    }
}

asio::awaitable<void> JobPlacement::run_lookups() {
    while (!stopped_) {
        const Waiters some = next_ones();
        if (some.empty()) {
            co_await recalled_.wait();
            continue;
        }
        slurm_query::PlacementsRequest request{places_of(some), true};
        const auto told = co_await view_.ask_placements(std::move(request), kPatience);
        if (stopped_) co_return;
        give(some, told);
        if (told && std::none_of(told->verdicts.begin(), told->verdicts.end(), is_unknown)) {
            note_answer();
            continue;
        }
        note_unknown(some, told);
        pause_.expires_after(kPause);
        ErrorCode cancelled;
        co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
}

/// Logs the begin of a time in which requests stay unanswered.
void JobPlacement::note_expiry(const std::string& why) {
    last_expiry_ = Clock::now();
    outage_.note(why);
}

/// Logs the end of that time.
void JobPlacement::note_answer() {
    if (Clock::now() - last_expiry_ >= kQuiet) outage_.note("");
}

void JobPlacement::stop() {
    stopped_ = true;
    memory_.cancel();
    view_.cancel();
    pause_.cancel();
    asked_.wake();
    recalled_.wake();
    for (const auto& [number, waiter] : waiters_) waiter->timer.cancel();
}

}  // namespace secrets::slurm
