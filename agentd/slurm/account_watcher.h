// SPDX-License-Identifier: Apache-2.0
#pragma once
// Refreshes the members of the Slurm accounts that the configuration names.

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <random>
#include <set>

#include "agentd/auth/slurm_account_members.h"
#include "agentd/base/supervisor.h"
#include "agentd/config/config.h"
#include "agentd/slurm/account_absences.h"
#include "agentd/slurm/query_client.h"

namespace secrets::slurm {

/// Queries slurm-secrets-view at once, after each change of the configuration, and at every
/// interval; more often as long as an account's users have never been known. If a query fails, the
/// last known users stay; an account or a user that slurmctld does not list any more stays until it
/// has not done so for some minutes. Must outlive the loop's run.
class AccountWatcher {
  public:
    using Clock = std::chrono::steady_clock;

    /// Calls `give` whenever something has changed.
    AccountWatcher(boost::asio::io_context& loop, Supervisor& supervisor, const Config& config,
                   std::function<void(auth::SlurmAccountMembers)> give,
                   std::function<Clock::time_point()> now = Clock::now);

    void configure(const Config& config);

    /// Stops querying; the coroutine ends in the loop's next turn.
    void stop();

  private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> ask_about_all();
    void give();
    void take(const std::string& account, slurm_query::Users told);
    void note_trouble(const std::string& trouble);
    void note_missing(const std::string& account, bool was_missing) const;
    bool knows_all() const;
    std::chrono::steady_clock::duration pause();

    QueryClient view_;
    std::function<void(auth::SlurmAccountMembers)> give_;
    boost::asio::steady_timer timer_;
    std::set<std::string> wanted_;
    std::chrono::seconds interval_{};
    std::function<Clock::time_point()> now_;
    auth::SlurmAccountMembers known_;
    AccountAbsences absences_;
    std::minstd_rand random_{std::random_device{}()};
    std::chrono::seconds next_try_{};  ///< while some account is unknown
    bool changed_ = false;   ///< whether the configuration changed since the last round began
    bool is_given_ = false;  ///< whether the present members were passed on
    bool stopped_ = false;
};

}  // namespace secrets::slurm
