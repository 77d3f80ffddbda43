// SPDX-License-Identifier: Apache-2.0
#pragma once
// The denials that several services return.

#include <string>

#include "agentd/auth/policy.h"
#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::service {

/// Returns the denial for a run of another user.
Status not_theirs(const RunId& run, const auth::Principal& caller);

/// Returns success if the principal has `permission` for a run of `owner`, not_theirs() if not, and
/// unavailable if the permission cannot be determined now.
Status check_run_permission(const auth::PrincipalResolver& principals,
                            const auth::Principal& caller, const RunId& run, Uid owner,
                            auth::Permission permission);

/// Returns the clause about a store that can't be opened, for users; admins get the reason.
std::string store_is_closed();

}  // namespace secrets::service
