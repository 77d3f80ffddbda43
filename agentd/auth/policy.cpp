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
    {Permission::list_workspace,    {{YES, no,   no,      YES,  YES,   no}}},
    {Permission::manage_workspace,  {{YES, no,   no,      YES,  no,    no}}},
    {Permission::use_workspace,   {{no,  no,   no,      YES,  YES,   no}}},
});
// clang-format on

/// The answer to a question that is put to several sources: "yes" if one says so, else "unknown" if
/// one cannot answer, else "no".
class AnyOf {
  public:
    /// Adds the answer of one source; returns whether it was "yes", and no other need be asked.
    bool add(const StatusOr<bool>& answer) {
        if (!answer) {
            // If waiting helps for one of them, the request waits.
            if (unknown_.ok() || answer.status().code() == StatusCode::pending) {
                unknown_ = answer.status();
            }
            return false;
        }
        yes_ = yes_ || *answer;
        return yes_;
    }
    StatusOr<bool> answer() const {
        if (!yes_ && !unknown_.ok()) return unknown_;
        return yes_;
    }

  private:
    bool yes_ = false;
    Status unknown_;
};

StatusOr<bool> is_user(const std::string& name, Uid uid, Certainty certainty) {
    const auto named = users().find_uid(name, certainty);
    if (!named) return named.status();
    return *named == uid;
}

StatusOr<bool> holds(const Accounts& accounts, Uid uid, Certainty certainty) {
    AnyOf any;
    for (const std::string& user : accounts.users) {
        if (any.add(is_user(user, uid, certainty))) return true;
    }
    for (const std::string& group : accounts.groups) {
        if (any.add(users().is_group_member(uid, group, certainty))) return true;
    }
    return any.answer();
}

/// Explains why it is not known that the caller is not in the account.
Status not_listed_yet(const Principal& caller, const Workspace& workspace,
                      const std::string& account, bool was_answered) {
    if (was_answered) {
        return Status::unavailable(
            "cannot tell yet if " + caller.name() + " is in workspace " + workspace.name +
            ": slurmctld does not list them in the Slurm account " + account +
            "; this is certain only after slurmctld has answered so for 10 minutes");
    }
    return Status::unavailable("cannot tell yet if " + caller.name() + " is in workspace " +
                               workspace.name +
                               ": slurmctld has not yet listed the users of the Slurm account " +
                               account + "; try again in a moment");
}

/// Returns whether that platform connects as the caller.
StatusOr<bool> comes_as(const Platform& platform, const Principal& caller) {
    if (!caller.uid()) {
        return !platform.certificate.empty() && platform.certificate == caller.certificate();
    }
    if (platform.user.empty()) return false;
    return is_user(platform.user, *caller.uid(), Certainty::current);
}

}  // namespace

bool may(Role role, Permission operation) {
    for (const Right& right : kRights) {
        if (right.operation == operation) return right.may[static_cast<std::size_t>(role)];
    }
    return false;
}

StatusOr<bool> PrincipalResolver::is_platform(const Principal& caller) const {
    AnyOf any;
    for (const Platform& platform : platforms_) {
        if (any.add(comes_as(platform, caller))) return true;
    }
    return any.answer();
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
    const bool is_own = caller.uid() == about;
    const bool others_may = may(Role::platform, permission) || may(Role::root, permission);
    if (!is_own && !others_may) return false;
    const auto role = role_of(caller, about);
    if (!role) return role.status();
    return may(*role, permission);
}

StatusOr<const Platform*> PrincipalResolver::find_platform(const Principal& caller,
                                                           Uid about) const {
    if (caller.uid() == about || caller.is_root()) return nullptr;
    AnyOf any;
    for (const Platform& platform : platforms_) {
        auto acts_for = comes_as(platform, caller);
        if (acts_for && *acts_for) {
            acts_for = holds({platform.users, platform.groups}, about, Certainty::current);
        }
        if (any.add(acts_for)) return &platform;
    }
    const auto acts = any.answer();
    if (!acts) return acts.status();
    return nullptr;
}

/// Returns whether the caller is in one of the Slurm accounts. A "no" is as certain as demanded.
StatusOr<bool> PrincipalResolver::is_in_slurm_accounts(const std::vector<std::string>& accounts,
                                                       const Principal& caller,
                                                       const Workspace& workspace,
                                                       Certainty certainty) const {
    if (accounts.empty()) return false;
    const auto user = users().find_name(*caller.uid(), certainty);
    if (!user) return user.status();
    if (!*user) return false;
    AnyOf any;
    for (const std::string& account : accounts) {
        const auto has = slurm_accounts_.has(account, **user, certainty);
        const bool was_answered = slurm_accounts_.knows(account);
        if (any.add(has ? StatusOr<bool>(*has)
                        : not_listed_yet(caller, workspace, account, was_answered))) {
            break;
        }
    }
    return any.answer();
}

WorkspaceRole PrincipalResolver::workspace_role(const Principal& caller, const Workspace& workspace,
                                                Certainty certainty) const {
    if (!caller.uid()) return {Role::stranger};
    const auto is_one_of = [&](const Accounts& accounts) {
        AnyOf any;
        if (!any.add(holds(accounts, *caller.uid(), certainty))) {
            any.add(is_in_slurm_accounts(accounts.slurm_accounts, caller, workspace, certainty));
        }
        return any.answer();
    };
    const auto is_admin = is_one_of(workspace.admins);
    if (is_admin && *is_admin) return {Role::workspace_admin};
    const auto is_member = is_one_of(workspace.members);
    if (is_member && *is_member) return {Role::member, is_admin.status()};
    AnyOf any;
    any.add(is_admin);
    any.add(is_member);
    return {caller.is_root() ? Role::root : Role::stranger, any.answer().status()};
}

const Workspace* PrincipalResolver::find_workspace(std::string_view name) const {
    for (const Workspace& workspace : workspaces_) {
        if (workspace.name == name) return &workspace;
    }
    return nullptr;
}

}  // namespace secrets::auth
