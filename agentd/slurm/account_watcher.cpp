// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/account_watcher.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "agentd/audit/audit_log.h"

namespace secrets::slurm {

namespace asio = boost::asio;

namespace {

/// Longer than slurm-secrets-view takes, whatever slurmctld does.
constexpr auto kPatience = std::chrono::seconds(15);

constexpr auto kFirstTry = std::chrono::seconds(1);

}  // namespace

AccountWatcher::AccountWatcher(asio::io_context& loop, Supervisor& supervisor, const Config& config,
                               std::function<void(auth::SlurmAccountMembers)> give,
                               std::function<Clock::time_point()> now)
    : view_(loop, config.view_socket), give_(std::move(give)), timer_(loop), now_(std::move(now)) {
    configure(config);
    supervisor.start("account_watcher", [this] { return run(); });
}

void AccountWatcher::configure(const Config& config) {
    wanted_ = slurm_accounts_in(config.workspaces);
    interval_ = config.slurm_accounts_interval;
    known_.keep_only(wanted_);
    absences_.keep_only(wanted_);
    if (wanted_.empty()) known_.set_trouble("");  // of accounts that are no longer watched
    give();
    next_try_ = kFirstTry;
    changed_ = true;
    timer_.cancel();
}

void AccountWatcher::stop() {
    stopped_ = true;
    timer_.cancel();
    view_.cancel();
}

asio::awaitable<void> AccountWatcher::run() {
    while (!stopped_) {
        changed_ = false;
        co_await ask_about_all();
        if (stopped_) co_return;
        if (!is_given_) give();  // give() failed in an earlier round
        if (changed_) continue;
        timer_.expires_after(pause());
        boost::system::error_code cancelled;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
}

/// Queries one account after the other; a failed query does not stop the queries that follow.
asio::awaitable<void> AccountWatcher::ask_about_all() {
    std::string trouble;
    const std::vector<std::string> accounts(wanted_.begin(), wanted_.end());
    for (const std::string& account : accounts) {
        auto told = co_await view_.ask_users(account, kPatience);
        if (stopped_) co_return;
        if (told) {
            take(account, std::move(told).value());
        } else if (trouble.empty()) {
            trouble = told.status().message();
        }
    }
    note_trouble(trouble);
}

void AccountWatcher::give() {
    is_given_ = false;
    give_(known_);
    is_given_ = true;
}

void AccountWatcher::take(const std::string& account, slurm_query::Users told) {
    if (!wanted_.contains(account)) return;  // no longer wanted
    const bool was_missing = known_.is_missing(account);
    const auto now = now_();
    told = absences_.confirm(account, known_, std::move(told), now);
    if (!known_.set(account, told.known, std::move(told.users),
                    absences_.are_established(account, now))) {
        return;
    }
    is_given_ = false;
    note_missing(account, was_missing);
    give();
}

/// Logs when trouble begins and when it ends, not how it continues.
void AccountWatcher::note_trouble(const std::string& trouble) {
    const bool was_in_trouble = !known_.trouble().empty();
    if (!known_.set_trouble(trouble)) return;
    give();
    if (trouble.empty()) {
        audit::report_recovery("Slurm account members are refreshed again");
    } else if (!was_in_trouble) {
        audit::report_problem("cannot refresh Slurm account members" +
                              std::string(knows_all() ? ", using the last known list: " : ": ") +
                              trouble);
    }
}

void AccountWatcher::note_missing(const std::string& account, bool was_missing) const {
    const bool missing = known_.is_missing(account);
    if (missing == was_missing) return;
    if (missing) {
        audit::report_problem(
            "slurmctld does not know the Slurm account " + account +
            ", which therefore adds no members to a workspace; check its name with "
            "'sacctmgr show account', or remove it from the configuration");
    } else {
        audit::report_recovery("slurmctld knows the Slurm account " + account + " now");
    }
}

bool AccountWatcher::knows_all() const {
    return std::all_of(wanted_.begin(), wanted_.end(),
                       [&](const auto& account) { return known_.knows(account); });
}

/// Returns the time until the next round, jittered: agents started together drift apart.
std::chrono::steady_clock::duration AccountWatcher::pause() {
    if (wanted_.empty()) return std::chrono::hours(24 * 365);
    std::chrono::milliseconds pause = interval_;
    if (!knows_all()) {
        pause = std::min(next_try_, interval_);
        next_try_ = std::min(2 * next_try_, interval_);
    }
    return pause * std::uniform_int_distribution<>(90, 110)(random_) / 100;
}

}  // namespace secrets::slurm
