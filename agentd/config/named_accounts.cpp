// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/named_accounts.h"

namespace secrets {

NamedAccounts named_accounts_in(const Config& config) {
    NamedAccounts named;
    const auto add = [&](const std::vector<std::string>& users,
                         const std::vector<std::string>& groups) {
        named.users.insert(users.begin(), users.end());
        named.groups.insert(groups.begin(), groups.end());
    };
    // A number needs no account on this host.
    const std::string& agents = config.listen.agents;
    if (agents.find_first_not_of("0123456789") != agents.npos) add({agents}, {});
    for (const Platform& platform : config.platforms) {
        add({platform.user}, {});
        add(platform.users, platform.groups);
    }
    for (const Workspace& workspace : config.workspaces) {
        add(workspace.admins.users, workspace.admins.groups);
        add(workspace.members.users, workspace.members.groups);
    }
    named.users.erase("");
    return named;
}

}  // namespace secrets
