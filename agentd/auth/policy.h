// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may do what: one table.

#include <span>
#include <vector>

#include "agentd/auth/principal.h"
#include "agentd/auth/slurm_account_members.h"
#include "agentd/config/config.h"
#include "common/base/ids.h"

namespace secrets::auth {

/// What somebody is to the user or the workspace that a request is about.
enum class Role {
    root,
    owner,            ///< that user
    platform,         ///< an account that the configuration lets act for that user
    workspace_admin,  ///< of that workspace
    member,           ///< of that workspace, and no admin of it
    stranger,         ///< any other local account
};
inline constexpr std::size_t kRoles = 6;

/// What can be done to a run of that user, to what is kept for that user, or to a workspace.
/// (Status, metrics, checks of one's own asks and the lists, in which each sees what it may read,
/// are open to every local account.)
enum class Permission {
    push_run,
    read_run,
    complete_run,
    use_run,           ///< have a job's ask answered from it
    manage_own,        ///< list, set, rename and remove the secrets of that user
    use_own,           ///< have a job's ask answered from them
    manage_workspace,  ///< list, set, rename and remove its secrets
    use_workspace,     ///< have a job's ask answered from it
};

/// The table.
bool may(Role role, Permission operation);

/// What somebody is to a workspace, as far as that is known.
struct WorkspaceRole {
    Role role = Role::stranger;
    /// The Slurm account that may make them more than that, as soon as it is known who is in it;
    /// empty: none.
    std::string undecided{};
};

/// Tells what `caller` is to `about`.
class PrincipalResolver {
  public:
    explicit PrincipalResolver(std::vector<Platform> platforms,
                               std::vector<Workspace> workspaces = {})
        : platforms_(std::move(platforms)), workspaces_(std::move(workspaces)) {}

    Role role_of(const Principal& caller, Uid about) const;

    /// Null when the caller is not a platform for that user.
    const Platform* find_platform(const Principal& caller, Uid about) const;

    /// Root is what the configuration says, like everybody, and else root.
    WorkspaceRole workspace_role(const Principal& caller, const Workspace& workspace) const;

    /// Who is in Slurm accounts, from now on. Until the first time that is not known of any.
    void know(auth::SlurmAccountMembers accounts) { slurm_accounts_ = std::move(accounts); }
    const auth::SlurmAccountMembers& slurm_accounts() const { return slurm_accounts_; }

    /// Null when there is none of that name.
    const Workspace* find_workspace(std::string_view name) const;
    const std::vector<Workspace>& workspaces() const { return workspaces_; }

    /// Whether the caller is an account that a platform connects as.
    bool is_platform(const Principal& caller) const;

  private:
    std::vector<Platform> platforms_;
    std::vector<Workspace> workspaces_;
    auth::SlurmAccountMembers slurm_accounts_;
};

}  // namespace secrets::auth
