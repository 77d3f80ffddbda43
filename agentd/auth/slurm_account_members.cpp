// SPDX-License-Identifier: Apache-2.0
#include "agentd/auth/slurm_account_members.h"

#include <algorithm>

namespace secrets::auth {

bool SlurmAccountMembers::set(const std::string& account, bool exists,
                              std::vector<std::string> users, bool is_established) {
    Account told{exists, std::move(users), is_established};
    auto& known = accounts_[account];
    if (known && *known == told) return false;
    known = std::make_shared<const Account>(std::move(told));
    return true;
}

bool SlurmAccountMembers::set_trouble(const std::string& trouble) {
    if (trouble_ == trouble) return false;
    trouble_ = trouble;
    return true;
}

void SlurmAccountMembers::keep_only(const std::set<std::string>& accounts) {
    std::erase_if(accounts_, [&](const auto& entry) { return !accounts.contains(entry.first); });
}

bool SlurmAccountMembers::is_missing(const std::string& account) const {
    const auto found = accounts_.find(account);
    return found != accounts_.end() && !found->second->exists;
}

std::optional<bool> SlurmAccountMembers::has(const std::string& account, const std::string& user,
                                             Certainty certainty) const {
    const auto found = accounts_.find(account);
    if (found == accounts_.end()) return std::nullopt;
    const auto& users = found->second->users;
    if (std::binary_search(users.begin(), users.end(), user)) return true;
    if (certainty == Certainty::established && !found->second->is_established) return std::nullopt;
    return false;
}

std::vector<std::string> SlurmAccountMembers::users_of(const std::string& account) const {
    const auto found = accounts_.find(account);
    return found == accounts_.end() ? std::vector<std::string>() : found->second->users;
}

}  // namespace secrets::auth
