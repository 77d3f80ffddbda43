// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/denials.h"

namespace secrets::service {

Status not_theirs(const RunId& run, const auth::Principal& caller) {
    return {StatusCode::permission_denied,
            "run " + run.text() + " belongs to another user, not to " + caller.name()};
}

std::string store_is_closed() {
    return "the agent's store is closed; its admin finds the reason with: secretctl status";
}

Status check_run_permission(const auth::PrincipalResolver& principals,
                            const auth::Principal& caller, const RunId& run, Uid owner,
                            auth::Permission permission) {
    const auto allowed = principals.allows(caller, owner, permission);
    if (!allowed) return allowed.status();
    return *allowed ? Status() : not_theirs(run, caller);
}

}  // namespace secrets::service
