// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace secrets::auth {

/// Who is in which Slurm account, as slurmctld said last. Cheap to copy.
class SlurmAccountMembers {
  public:
    /// `exists`: whether slurmctld knows the account; `users`: ascending. Whether that changed
    /// anything.
    bool set(const std::string& account, bool exists, std::vector<std::string> users);
    /// Why slurmctld can't be asked now; empty: it can. Whether that changed anything.
    bool set_trouble(const std::string& trouble);
    /// Forgets all others.
    void keep_only(const std::set<std::string>& accounts);

    /// Whether slurmctld ever answered for it.
    bool knows(const std::string& account) const { return accounts_.contains(account); }
    /// Whether it answered that there is no such account.
    bool is_missing(const std::string& account) const;
    const std::string& trouble() const { return trouble_; }
    /// Nothing: slurmctld has not said yet.
    std::optional<bool> has(const std::string& account, const std::string& user) const;

  private:
    struct Account {
        bool exists = false;
        std::vector<std::string> users;
        bool operator==(const Account&) const = default;
    };

    std::map<std::string, std::shared_ptr<const Account>> accounts_;
    std::string trouble_;
};

}  // namespace secrets::auth
