// SPDX-License-Identifier: Apache-2.0
#pragma once
// secretctl doctor: is this installation sound, and what is to be done?

#include "ctl/client/session.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl::doctor {

/// `submit_host`: there no agent is needed, and only the plugin is looked at.
/// `refused` when a check fails; warnings alone are fine.
ExitCode examine(const Session& agent, bool submit_host);

}  // namespace secrets::ctl::doctor
