// SPDX-License-Identifier: Apache-2.0
#pragma once
// secretctl watch: prints the agent's events as they happen.

#include "ctl/client/session.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

/// Prints each event that the caller may see, one a line, until SIGINT or SIGTERM, which is a
/// success. Waits for an agent that goes away; throws CommandError if no agent answers at the
/// start.
ExitCode watch(const Session& agent);

}  // namespace secrets::ctl
