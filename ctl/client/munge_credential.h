// SPDX-License-Identifier: Apache-2.0
#pragma once
// Proof of the caller's identity for one request that goes on to a hub: a munge credential.

#include <string>

#include "ctl/client/client.h"

namespace secrets::ctl {

/// Returns a credential of this process for the request, which the hub of this host accepts once.
/// Waits for munged. Throws CommandError (unreachable) if munged gives none.
std::string munge_credential(const std::string& hub, std::string_view method,
                             const Request& request);

}  // namespace secrets::ctl
