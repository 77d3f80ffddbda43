// SPDX-License-Identifier: Apache-2.0
#pragma once
// The denials that several services give.

#include <string>

#include "agentd/auth/policy.h"
#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::service {

/// The run is another user's.
Status not_theirs(const RunId& run, const auth::Principal& caller);

/// Success if the principal may do that to a run of `owner`; not_theirs() if not; unavailable if
/// that cannot be known now.
Status check_run_permission(const auth::PrincipalResolver& principals,
                            const auth::Principal& caller, const RunId& run, Uid owner,
                            auth::Permission permission);

/// Whether the principal is in a workspace depends on a Slurm account that is not known yet.
Status not_known_yet(const auth::Principal& caller, const std::string& workspace,
                     const std::string& account);

}  // namespace secrets::service
