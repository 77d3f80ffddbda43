// SPDX-License-Identifier: Apache-2.0
#pragma once
// The plugin's client of the node socket.

#include <string>

#include "common/base/deadline.h"
#include "common/base/unique_fd.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::spank {

/// The result of a grant request. Holds exactly one of `delivery` and `refusal`, or neither if no
/// secret was granted and none was required.
struct GrantOutcome {
    UniqueFd delivery;
    std::string refusal;
    std::string note;  ///< for the job's stderr; may be empty
};

/// Requests a grant, and retries on a lost connection, until a reply comes or `timeout` has passed
/// without one. While the agent reports that it waits for a push, that wait is added to `timeout`.
GrantOutcome request_grant(const std::string& socket, std::chrono::seconds timeout,
                           plugin_protocol::GrantRequest request);

/// Asks the agent to end a run with its head job. Returns why it will not.
Status bind_run(const std::string& socket, std::chrono::milliseconds timeout,
                plugin_protocol::BindRequest request);

/// Reports the job's end to the agent, and retries a few times if the connection is lost (a
/// restart). Each try has `timeout`; an agent that stays silent for so long is not tried again, and
/// without a listener there is no wait. Returns the receipt, or why there is none.
StatusOr<std::string> wipe_job(const std::string& socket, std::chrono::milliseconds timeout,
                               JobId job);

}  // namespace secrets::spank
