// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who makes a request, where it goes on to a hub: munge says it, for that one request.

#include <string>

#include "ctl/client/client.h"

namespace secrets::ctl {

/// A credential of this process for the request, that the hub of this host takes once. Waits for
/// munged. Throws CommandError (unreachable) where munged gives none.
std::string munge_credential(const std::string& hub, std::string_view method,
                             const Request& request);

}  // namespace secrets::ctl
