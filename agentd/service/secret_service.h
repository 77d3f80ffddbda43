// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agentd/service/expiry.h"
#include "agentd/service/precondition.h"
#include "agentd/service/resolver.h"

namespace secrets::service {

/// A job is warned of a stored secret that it uses and that expires within this time.
inline constexpr auto kWarnBefore = std::chrono::hours(7 * 24);

/// The scope of the stored secrets that a request names: the caller's own, or a workspace's.
struct SecretScope {
    std::optional<std::string> workspace;
};

/// A secret to be stored.
struct PutSecretRequest {
    SecretBuffer value;
    std::optional<std::string> ttl;
};

struct PutSecretResult {
    store::SecretHead secret;
    bool created = false;
};

struct SecretList {
    std::vector<store::SecretHead> secrets;  ///< sorted by name
    /// Whether the caller is a member of the workspace and no admin: only names may be shown.
    bool names_only = false;
};

struct WorkspaceInfo {
    std::string name;
    bool is_admin = false;
    std::size_t secrets = 0;
};

/// The stored secrets of users and workspaces, and which jobs used them. Not thread-safe.
class SecretService {
  public:
    SecretService(ServiceContext& context, Expiry& expiry) : context_(context), expiry_(expiry) {}

    /// Checks a change of a stored secret before its body is read. Returns success if the change
    /// may go on.
    Status check_change(const auth::Principal& caller, const SecretScope& scope,
                        const std::string& name);
    StatusOr<PutSecretResult> put_secret(const auth::Principal& caller, const SecretScope& scope,
                                         const std::string& name, const PutSecretRequest& request,
                                         const Precondition& precondition);
    /// Records and returns the rejection of a change whose body is malformed.
    Status reject_unreadable_secret(const auth::Principal& caller, const SecretScope& scope,
                                    const std::string& name, Status refusal) const;
    StatusOr<store::SecretHead> rename_secret(const auth::Principal& caller,
                                              const SecretScope& scope, const std::string& name,
                                              const std::string& new_name,
                                              const Precondition& precondition);
    Status remove_secret(const auth::Principal& caller, const SecretScope& scope,
                         const std::string& name, const Precondition& precondition);
    StatusOr<store::SecretHead> read_secret(const auth::Principal& caller, const SecretScope& scope,
                                            const std::string& name);
    StatusOr<SecretList> list_secrets(const auth::Principal& caller, const SecretScope& scope);
    /// Returns the workspaces that the caller is in; for root, all workspaces.
    StatusOr<std::vector<WorkspaceInfo>> list_workspaces(const auth::Principal& caller);

    /// Records that the job uses the stored secrets among the answers.
    void note_uses(const std::vector<ItemAnswer>& answers, Uid uid, JobId job);
    /// Writes to disk which jobs used which secrets last, if there are changes.
    void save_uses();
    /// Returns a sentence about the stored secrets among the answers that expire soon; empty if
    /// none does.
    std::string expiry_note(const std::vector<ItemAnswer>& answers) const;

  private:
    struct Access;
    StatusOr<Access> access_of(const auth::Principal& caller, const SecretScope& scope) const;
    StatusOr<store::Owner> owner_at(const auth::Principal& caller, const SecretScope& scope) const;
    StatusOr<store::Owner> owner_of_change(const auth::Principal& caller, const SecretScope& scope,
                                           const std::string& name, const Status& wrong_name);
    Status check_new_value(const store::Owner& owner, const std::string& name,
                           std::size_t bytes) const;
    Status check_free_variable(const store::Owner& owner, const std::string& name,
                               const std::string& except) const;

    ServiceContext& context_;
    Expiry& expiry_;
};

}  // namespace secrets::service
