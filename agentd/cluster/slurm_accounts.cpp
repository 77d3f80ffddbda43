#include "agentd/cluster/slurm_accounts.h"

#include <algorithm>

namespace secrets::cluster {

bool SlurmAccounts::set(const std::string& account, std::vector<std::string> users) {
    auto& known = users_[account];
    if (known && *known == users) return false;
    known = std::make_shared<const std::vector<std::string>>(std::move(users));
    return true;
}

void SlurmAccounts::keep_only(const std::set<std::string>& accounts) {
    std::erase_if(users_, [&](const auto& entry) { return !accounts.contains(entry.first); });
}

std::optional<bool> SlurmAccounts::has(const std::string& account, const std::string& user) const {
    const auto found = users_.find(account);
    if (found == users_.end()) return std::nullopt;
    return std::binary_search(found->second->begin(), found->second->end(), user);
}

}  // namespace secrets::cluster
