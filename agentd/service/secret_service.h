// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agentd/service/expiry.h"
#include "agentd/service/precondition.h"
#include "agentd/service/resolver.h"

namespace secrets::service {

/// A job is warned of a kept secret that it uses and that expires within this time.
inline constexpr auto kWarnBefore = std::chrono::hours(7 * 24);

/// Where kept secrets lie that a request is about: the caller's own, or a workspace's.
struct SecretScope {
    std::optional<std::string> workspace;
};

/// A secret on its way into the store.
struct PutSecretRequest {
    SecretBuffer value;
    std::optional<std::string> ttl;
};

struct PutSecretResult {
    store::SecretHead secret;
    bool created = false;
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

    /// What can be said of a change of a kept secret before its body is read; nothing when it may
    /// go on.
    Status check_put(const auth::Principal& caller, const SecretScope& place,
                     const std::string& name);
    StatusOr<PutSecretResult> put_secret(const auth::Principal& caller, const SecretScope& place,
                                         const std::string& name, const PutSecretRequest& request,
                                         const Precondition& precondition);
    /// The refusal of a change whose body can't be read.
    Status reject_unreadable_secret(const auth::Principal& caller, const SecretScope& place,
                                    const std::string& name, Status refusal) const;
    StatusOr<store::SecretHead> rename_secret(const auth::Principal& caller,
                                              const SecretScope& place, const std::string& name,
                                              const std::string& new_name,
                                              const Precondition& precondition);
    Status remove_secret(const auth::Principal& caller, const SecretScope& place,
                         const std::string& name, const Precondition& precondition);
    StatusOr<store::SecretHead> read_secret(const auth::Principal& caller, const SecretScope& place,
                                            const std::string& name);
    StatusOr<std::vector<store::SecretHead>> list_secrets(const auth::Principal& caller,
                                                          const SecretScope& place);
    /// Those that the caller is in; root: all.
    StatusOr<std::vector<WorkspaceInfo>> list_workspaces(const auth::Principal& caller);

    /// Notes that the job uses the stored secrets among the answers.
    void note_uses(const std::vector<ItemAnswer>& answers, Uid uid, JobId job);
    /// Puts on the disk which jobs used which secrets last, where that has changed.
    void save_uses();
    /// A sentence about stored secrets among the answers that expire soon; empty: none does.
    std::string expiry_note(const std::vector<ItemAnswer>& answers) const;

  private:
    StatusOr<store::Owner> owner_at(const auth::Principal& caller, const SecretScope& place) const;
    StatusOr<store::Owner> owner_of_change(const auth::Principal& caller, const SecretScope& place,
                                           const std::string& name);
    Status check_new_value(const store::Owner& owner, const std::string& name,
                           std::size_t bytes) const;
    Status check_free_variable(const store::Owner& owner, const std::string& name,
                               const std::string& except) const;

    ServiceContext& context_;
    Expiry& expiry_;
};

}  // namespace secrets::service
