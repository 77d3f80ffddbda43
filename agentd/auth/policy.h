// SPDX-License-Identifier: Apache-2.0
#pragma once
// The table of rights: which role has which permission.

#include <span>
#include <vector>

#include "agentd/auth/principal.h"
#include "agentd/auth/slurm_account_members.h"
#include "agentd/auth/user_database.h"
#include "agentd/config/config.h"
#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::auth {

/// The role of a caller towards the user or the workspace that a request concerns.
enum class Role {
    root,
    owner,            ///< that user
    platform,         ///< an account that the configuration lets act for that user
    workspace_admin,  ///< of that workspace
    member,           ///< of that workspace, but no admin of it
    stranger,         ///< any other local account
};
inline constexpr std::size_t kRoles = 6;

/// Operations on a run of that user, on the secrets stored for that user, or on a workspace.
/// (Status, metrics, checks of the caller's own secret specs, and the lists, in which each caller
/// sees what it may read, are open to every local account.)
enum class Permission {
    push_run,
    read_run,
    complete_run,
    use_run,           ///< resolve a job's secret spec from it
    manage_own,        ///< list, set, rename and remove the secrets of that user
    use_own,           ///< resolve a job's secret spec from them
    list_workspace,    ///< list the names of its secrets
    manage_workspace,  ///< list them with sizes and times; set, rename and remove them
    use_workspace,     ///< resolve a job's secret spec from it
};

/// Returns whether the table gives that permission to that role.
bool may(Role role, Permission operation);

/// The role of a caller in a workspace, as far as the role is known.
struct WorkspaceRole {
    Role role = Role::stranger;
    /// Why the caller may have a higher role, which cannot be known now; ok if there is none.
    Status undecided{};
};

/// Finds the role of a caller towards a user or a workspace.
class PrincipalResolver {
  public:
    explicit PrincipalResolver(std::vector<Platform> platforms,
                               std::vector<Workspace> workspaces = {})
        : platforms_(std::move(platforms)), workspaces_(std::move(workspaces)) {}

    StatusOr<Role> role_of(const Principal& caller, Uid about) const;

    /// Whether the table allows that to the principal. Looks nobody up for what the table allows
    /// only to a user's own jobs and requests.
    StatusOr<bool> allows(const Principal& caller, Uid about, Permission permission) const;

    /// Returns the platform as which the caller acts for that user; null for the user, for root,
    /// and for a caller that is no platform of that user.
    StatusOr<const Platform*> find_platform(const Principal& caller, Uid about) const;

    /// Returns the role that the configuration gives the caller, also to root. Without one, root
    /// has the role `root`. `certainty`: of users, groups and Slurm accounts that the caller is not
    /// found in.
    WorkspaceRole workspace_role(const Principal& caller, const Workspace& workspace,
                                 Certainty certainty = Certainty::current) const;

    /// Sets the members of Slurm accounts. Before the first call no account's members are known.
    void know(auth::SlurmAccountMembers accounts) { slurm_accounts_ = std::move(accounts); }
    const auth::SlurmAccountMembers& slurm_accounts() const { return slurm_accounts_; }

    /// Returns null if there is no workspace of that name.
    const Workspace* find_workspace(std::string_view name) const;
    const std::vector<Workspace>& workspaces() const { return workspaces_; }

    /// Returns whether the caller is an account that a platform connects as.
    StatusOr<bool> is_platform(const Principal& caller) const;

  private:
    StatusOr<bool> is_in_slurm_accounts(const std::vector<std::string>& accounts,
                                        const Principal& caller, const Workspace& workspace,
                                        Certainty certainty) const;

    std::vector<Platform> platforms_;
    std::vector<Workspace> workspaces_;
    auth::SlurmAccountMembers slurm_accounts_;
};

}  // namespace secrets::auth
