// SPDX-License-Identifier: Apache-2.0
#include "agentd/auth/policy.h"

#include <algorithm>
#include <array>

#include "agentd/auth/user_database.h"

namespace secrets::auth {
namespace {

struct Right {
    Permission operation;
    std::array<bool, kRoles> may;  ///< in the order of Role
};

// clang-format off
constexpr bool YES = true;
constexpr bool no = false;
constexpr auto kRights = std::to_array<Right>({
    // operation                   root owner platform admin member stranger
    {Permission::push_run,        {{YES, YES,  YES,     no,   no,    no}}},
    {Permission::read_run,        {{YES, YES,  YES,     no,   no,    no}}},
    {Permission::complete_run,    {{YES, YES,  YES,     no,   no,    no}}},
    {Permission::use_run,         {{no,  YES,  no,      no,   no,    no}}},  // a job acts as its user, root's jobs too
    {Permission::manage_own,        {{no,  YES,  no,      no,   no,    no}}},
    {Permission::use_own,         {{no,  YES,  no,      no,   no,    no}}},
    {Permission::manage_workspace,  {{YES, no,   no,      YES,  no,    no}}},
    {Permission::use_workspace,   {{no,  no,   no,      YES,  YES,   no}}},
});
// clang-format on

bool holds(const Accounts& accounts, Uid uid) {
    const auto names = [&](const std::string& user) { return find_uid(user) == uid; };
    const auto has = [&](const std::string& group) { return is_group_member(uid, group); };
    return std::any_of(accounts.users.begin(), accounts.users.end(), names) ||
           std::any_of(accounts.groups.begin(), accounts.groups.end(), has);
}

/// Returns whether the user is in one of these Slurm accounts. If none of them is known to have the
/// user, `undecided` becomes the first account whose members are not known.
bool is_in(const std::vector<std::string>& accounts, Uid uid,
           const auth::SlurmAccountMembers& known, std::string& undecided) {
    if (accounts.empty()) return false;
    const auto user = find_user_name(uid);
    if (!user) return false;
    std::string first_unknown;
    for (const std::string& account : accounts) {
        const auto has = known.has(account, *user);
        if (has && *has) return true;
        if (!has && first_unknown.empty()) first_unknown = account;
    }
    if (undecided.empty()) undecided = first_unknown;
    return false;
}

/// Returns whether that platform connects as the caller.
bool comes_as(const Platform& platform, const Principal& caller) {
    if (!caller.uid()) {
        return !platform.certificate.empty() && platform.certificate == caller.certificate();
    }
    return !platform.user.empty() && find_uid(platform.user) == caller.uid();
}

}  // namespace

bool may(Role role, Permission operation) {
    for (const Right& right : kRights) {
        if (right.operation == operation) return right.may[static_cast<std::size_t>(role)];
    }
    return false;
}

bool PrincipalResolver::is_platform(const Principal& caller) const {
    return std::any_of(platforms_.begin(), platforms_.end(),
                       [&](const Platform& platform) { return comes_as(platform, caller); });
}

Role PrincipalResolver::role_of(const Principal& caller, Uid about) const {
    if (caller.uid() == about) return Role::owner;
    if (caller.is_root()) return Role::root;
    return find_platform(caller, about) != nullptr ? Role::platform : Role::stranger;
}

const Platform* PrincipalResolver::find_platform(const Principal& caller, Uid about) const {
    for (const Platform& platform : platforms_) {
        if (comes_as(platform, caller) && holds({platform.users, platform.groups}, about)) {
            return &platform;
        }
    }
    return nullptr;
}

WorkspaceRole PrincipalResolver::workspace_role(const Principal& caller,
                                                const Workspace& workspace) const {
    if (!caller.uid()) return {Role::stranger};
    const Uid uid = *caller.uid();
    std::string undecided;
    const auto is_one_of = [&](const Accounts& accounts) {
        return holds(accounts, uid) ||
               is_in(accounts.slurm_accounts, uid, slurm_accounts_, undecided);
    };
    if (is_one_of(workspace.admins)) return {Role::workspace_admin};
    if (is_one_of(workspace.members)) return {Role::member, undecided};
    return {caller.is_root() ? Role::root : Role::stranger, undecided};
}

const Workspace* PrincipalResolver::find_workspace(std::string_view name) const {
    for (const Workspace& workspace : workspaces_) {
        if (workspace.name == name) return &workspace;
    }
    return nullptr;
}

}  // namespace secrets::auth
