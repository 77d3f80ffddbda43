// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the agent of this machine says about an ask before its job waits in the queue.

#include <optional>
#include <string>

namespace secrets::spank {

/// Why the ask can have no answer, in the agent's words; nothing where it can, or where
/// no agent says within a second that it can't.
std::optional<std::string> why_not_submit(const std::string& job_socket, std::string ask);

}  // namespace secrets::spank
