// SPDX-License-Identifier: Apache-2.0
#pragma once
// secretctl doctor: checks that an installation is sound, and names remedies.

#include "ctl/client/session.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl::doctor {

/// `submit_host`: the host needs no agent, and only the plugin is checked. Returns `refused` if a
/// check fails; warnings only count as success.
ExitCode examine(const Session& agent, bool submit_host);

}  // namespace secrets::ctl::doctor
