// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/owner_names.h"

#include "agentd/auth/lookup_attempts.h"
#include "common/base/names.h"

namespace secrets::service {

Status check_owner_name(const store::SecretStore& store, const store::Owner& owner) {
    const std::string& stored_by = store.user_of(owner);
    if (stored_by.empty()) return Status();
    const auto name = auth::users().find_name(owner.uid(), auth::Certainty::current);
    if (auth::is_pending(name)) return name.status();
    if (!name || !*name || **name == stored_by) return Status();
    const std::string uid = std::to_string(owner.uid().value);
    return {StatusCode::permission_denied,
            "the stored secrets of uid " + uid + " belong to user " + printable_ascii(stored_by) +
                ", but uid " + uid + " is " + printable_ascii(**name) +
                " now; root can remove them (slurm-secretsd --remove-secrets-of " + uid +
                ") or, if the user was renamed, keep them (--keep-secrets-of " + uid +
                "), and then restarts slurm-secretsd"};
}

void note_owner_name(store::SecretStore& store, const store::Owner& owner) {
    if (owner.is_workspace() || !store.user_of(owner).empty()) return;
    const auto name = auth::users().find_name(owner.uid(), auth::Certainty::current);
    if (name && *name) store.note_user(owner, **name);
}

}  // namespace secrets::service
