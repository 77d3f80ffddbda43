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

StatusOr<bool> holds(const Accounts& accounts, Uid uid) {
    for (const std::string& user : accounts.users) {
        const auto named = users().find_uid(user);
        if (!named) return named.status();
        if (*named == uid) return true;
    }
    for (const std::string& group : accounts.groups) {
        const auto is_member = users().is_group_member(uid, group);
        if (!is_member) return is_member.status();
        if (*is_member) return true;
    }
    return false;
}

/// Returns whether the user is in one of these Slurm accounts. If none of them is known to have the
/// user, `undecided` becomes the first account whose members are not known.
StatusOr<bool> is_in(const std::vector<std::string>& accounts, Uid uid,
                     const SlurmAccountMembers& known, std::string& undecided) {
    if (accounts.empty()) return false;
    const auto user = users().find_name(uid);
    if (!user) return user.status();
    if (!*user) return false;
    std::string first_unknown;
    for (const std::string& account : accounts) {
        const auto has = known.has(account, **user);
        if (has && *has) return true;
        if (!has && first_unknown.empty()) first_unknown = account;
    }
    if (undecided.empty()) undecided = first_unknown;
    return false;
}

/// Returns whether that platform connects as the caller.
StatusOr<bool> comes_as(const Platform& platform, const Principal& caller) {
    if (!caller.uid()) {
        return !platform.certificate.empty() && platform.certificate == caller.certificate();
    }
    if (platform.user.empty()) return false;
    const auto user = users().find_uid(platform.user);
    if (!user) return user.status();
    return *user == caller.uid();
}

}  // namespace

bool may(Role role, Permission operation) {
    for (const Right& right : kRights) {
        if (right.operation == operation) return right.may[static_cast<std::size_t>(role)];
    }
    return false;
}

StatusOr<bool> PrincipalResolver::is_platform(const Principal& caller) const {
    for (const Platform& platform : platforms_) {
        auto is_it = comes_as(platform, caller);
        if (!is_it || *is_it) return is_it;
    }
    return false;
}

StatusOr<Role> PrincipalResolver::role_of(const Principal& caller, Uid about) const {
    if (caller.uid() == about) return Role::owner;
    if (caller.is_root()) return Role::root;
    const auto platform = find_platform(caller, about);
    if (!platform) return platform.status();
    return *platform != nullptr ? Role::platform : Role::stranger;
}

StatusOr<bool> PrincipalResolver::allows(const Principal& caller, Uid about,
                                         Permission permission) const {
    const auto role = role_of(caller, about);
    if (!role) return role.status();
    return may(*role, permission);
}

StatusOr<const Platform*> PrincipalResolver::find_platform(const Principal& caller,
                                                           Uid about) const {
    if (caller.uid() == about || caller.is_root()) return nullptr;
    for (const Platform& platform : platforms_) {
        const auto is_it = comes_as(platform, caller);
        if (!is_it) return is_it.status();
        if (!*is_it) continue;
        const auto acts_for = holds({platform.users, platform.groups}, about);
        if (!acts_for) return acts_for.status();
        if (*acts_for) return &platform;
    }
    return nullptr;
}

StatusOr<WorkspaceRole> PrincipalResolver::workspace_role(const Principal& caller,
                                                          const Workspace& workspace) const {
    if (!caller.uid()) return WorkspaceRole{Role::stranger};
    const Uid uid = *caller.uid();
    std::string undecided;
    const auto is_one_of = [&](const Accounts& accounts) -> StatusOr<bool> {
        auto by_name = holds(accounts, uid);
        if (!by_name || *by_name) return by_name;
        return is_in(accounts.slurm_accounts, uid, slurm_accounts_, undecided);
    };
    const auto is_admin = is_one_of(workspace.admins);
    if (!is_admin) return is_admin.status();
    if (*is_admin) return WorkspaceRole{Role::workspace_admin};
    const auto is_member = is_one_of(workspace.members);
    if (!is_member) return is_member.status();
    if (*is_member) return WorkspaceRole{Role::member, undecided};
    return WorkspaceRole{caller.is_root() ? Role::root : Role::stranger, undecided};
}

const Workspace* PrincipalResolver::find_workspace(std::string_view name) const {
    for (const Workspace& workspace : workspaces_) {
        if (workspace.name == name) return &workspace;
    }
    return nullptr;
}

}  // namespace secrets::auth
