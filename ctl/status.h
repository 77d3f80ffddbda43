#pragma once
// How the agent is, at a glance.

#include "ctl/conversation.h"
#include "ctl/exit_codes.h"

namespace secrets::ctl {

ExitCode show_status(const Conversation& agent);

}  // namespace secrets::ctl
