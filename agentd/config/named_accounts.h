// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>

#include "agentd/config/config.h"

namespace secrets {

/// The users and groups of this host that a configuration names.
struct NamedAccounts {
    std::set<std::string> users;
    std::set<std::string> groups;
};

NamedAccounts named_accounts_in(const Config& config);

}  // namespace secrets
