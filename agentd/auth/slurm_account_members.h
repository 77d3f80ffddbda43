// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agentd/auth/user_database.h"

namespace secrets::auth {

/// The members of Slurm accounts, as slurmctld reported them. Cheap to copy.
class SlurmAccountMembers {
  public:
    /// Sets the members of an account. `exists` tells whether slurmctld knows the account; `users`
    /// are in ascending order; `is_established`: the answers have lasted for some minutes. Returns
    /// whether anything changed.
    bool set(const std::string& account, bool exists, std::vector<std::string> users,
             bool is_established);
    /// Sets why slurmctld can't be queried now; empty if it can. Returns whether anything changed.
    bool set_trouble(const std::string& trouble);
    /// Forgets all other accounts.
    void keep_only(const std::set<std::string>& accounts);

    /// Returns whether slurmctld ever answered for the account.
    bool knows(const std::string& account) const { return accounts_.contains(account); }
    /// Returns whether slurmctld answered that there is no such account.
    bool is_missing(const std::string& account) const;
    const std::string& trouble() const { return trouble_; }
    /// Returns whether the user is in the account; nothing if slurmctld has not answered yet, or if
    /// its "no" is not as certain as it must be.
    std::optional<bool> has(const std::string& account, const std::string& user,
                            Certainty certainty = Certainty::current) const;
    /// Returns the members in ascending order; none if the account is unknown.
    std::vector<std::string> users_of(const std::string& account) const;

  private:
    struct Account {
        bool exists = false;
        std::vector<std::string> users;
        bool is_established = false;
        bool operator==(const Account&) const = default;
    };

    std::map<std::string, std::shared_ptr<const Account>> accounts_;
    std::string trouble_;
};

}  // namespace secrets::auth
