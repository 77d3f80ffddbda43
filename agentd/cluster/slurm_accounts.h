#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace secrets::cluster {

/// Who is in which Slurm account, as slurmctld said last. Cheap to copy.
class SlurmAccounts {
  public:
    /// `users`: ascending. Whether that changed anything.
    bool set(const std::string& account, std::vector<std::string> users);
    /// Forgets all others.
    void keep_only(const std::set<std::string>& accounts);

    bool knows(const std::string& account) const { return users_.contains(account); }
    /// Nothing: slurmctld has not said yet.
    std::optional<bool> has(const std::string& account, const std::string& user) const;

  private:
    std::map<std::string, std::shared_ptr<const std::vector<std::string>>> users_;
};

}  // namespace secrets::cluster
