// SPDX-License-Identifier: Apache-2.0
#pragma once
// secretctl status: prints the state of the agent.

#include "ctl/client/session.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

ExitCode show_status(const Session& agent);

}  // namespace secrets::ctl
