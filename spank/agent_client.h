// SPDX-License-Identifier: Apache-2.0
#pragma once
// The plugin's side of the node door.

#include <string>

#include "common/base/deadline.h"
#include "common/base/unique_fd.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::spank {

/// What came of an ask. Exactly one of: a delivery (fd), a refusal (sentence), nothing asked for
/// (neither).
struct GrantOutcome {
    UniqueFd delivery;
    std::string refusal;
    std::string note;  ///< for the job's stderr; may be empty
};

/// Asks, and tries again over a lost connection, until an answer comes or `timeout` has passed
/// without one; while the agent says that it waits for a push, that wait comes on top.
GrantOutcome request_grant(const std::string& socket, std::chrono::seconds timeout,
                           plugin_protocol::GrantRequest request);

/// Tells the agent that the job ended, and tells it again, a few times, where the connection was
/// lost (a restart). Each time has `timeout`; an agent that stays silent for so long is not asked
/// again, and where nobody listens there is no wait. The receipt, or why there is none.
StatusOr<std::string> wipe_job(const std::string& socket, std::chrono::milliseconds timeout,
                               JobId job);

}  // namespace secrets::spank
