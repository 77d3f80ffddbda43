// SPDX-License-Identifier: Apache-2.0
#pragma once
// Delays what slurmctld's answers take away: a slurmctld that has lost its state, or has read a
// part of it, lists fewer accounts and users than there are.

#include <chrono>
#include <map>
#include <set>
#include <string>

#include "agentd/auth/slurm_account_members.h"
#include "common/ipc/slurm_query_protocol.h"

namespace secrets::slurm {

/// Counts since when and how often in a row a known account or member was not listed. Not
/// thread-safe.
class AccountAbsences {
  public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr auto kAbsence = std::chrono::minutes(10);
    static constexpr unsigned kLeastAbsences = 3;

    /// Accepts an answer about an account. Returns the answer with the account and the members of
    /// `known` that are not absent for long enough.
    slurm_query::Users confirm(const std::string& account, const auth::SlurmAccountMembers& known,
                               slurm_query::Users told, Time now);

    /// Returns whether the answers about an account have lasted for so long that who was in none
    /// of them is certainly not in the account.
    bool are_established(const std::string& account, Time now) const;

    /// Forgets all other accounts.
    void keep_only(const std::set<std::string>& accounts);

  private:
    struct Row {
        Time since{};
        unsigned length = 0;
        bool lasts(Time now) const { return length >= kLeastAbsences && now - since >= kAbsence; }
    };
    struct Account {
        Row answers;                      ///< all answers
        Row missing;                      ///< answers in a row without the account
        std::map<std::string, Row> gone;  ///< the same for each member that is not listed now
    };

    static void add(Row& row, Time now);

    std::map<std::string, Account> accounts_;
};

}  // namespace secrets::slurm
