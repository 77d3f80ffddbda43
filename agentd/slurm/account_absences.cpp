// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/account_absences.h"

#include <algorithm>

namespace secrets::slurm {

void AccountAbsences::add(Row& row, Time now) {
    if (row.length == 0) row.since = now;
    ++row.length;
}

slurm_query::Users AccountAbsences::confirm(const std::string& account,
                                            const auth::SlurmAccountMembers& known,
                                            slurm_query::Users told, Time now) {
    Account& rows = accounts_[account];
    add(rows.answers, now);
    if (told.known) {
        rows.missing = {};
    } else if (known.knows(account) && !known.is_missing(account)) {
        add(rows.missing, now);
        told.known = !rows.missing.lasts(now);
    }
    const auto& users = told.users;
    std::erase_if(rows.gone, [&](const auto& entry) {
        return std::binary_search(users.begin(), users.end(), entry.first);
    });
    std::vector<std::string> kept;
    for (const std::string& user : known.users_of(account)) {
        if (std::binary_search(users.begin(), users.end(), user)) continue;
        Row& row = rows.gone[user];
        add(row, now);
        if (row.lasts(now)) {
            rows.gone.erase(user);
        } else {
            kept.push_back(user);
        }
    }
    told.users.insert(told.users.end(), kept.begin(), kept.end());
    std::sort(told.users.begin(), told.users.end());
    return told;
}

bool AccountAbsences::are_established(const std::string& account, Time now) const {
    const auto found = accounts_.find(account);
    return found != accounts_.end() && found->second.answers.lasts(now);
}

void AccountAbsences::keep_only(const std::set<std::string>& accounts) {
    std::erase_if(accounts_, [&](const auto& entry) { return !accounts.contains(entry.first); });
}

}  // namespace secrets::slurm
