// SPDX-License-Identifier: Apache-2.0
#pragma once
// What happens at the agent, as it happens.

#include "ctl/client/session.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

/// Prints each event of which the agent tells the caller, a line each, until SIGINT or SIGTERM
/// comes, which ends it well. An agent that goes away is waited for; throws CommandError when none
/// answers at first.
ExitCode watch(const Session& agent);

}  // namespace secrets::ctl
