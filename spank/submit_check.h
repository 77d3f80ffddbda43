// SPDX-License-Identifier: Apache-2.0
#pragma once
// The local agent's check of a secret spec before its job is queued.

#include <optional>
#include <string>

namespace secrets::spank {

/// Returns why the spec can't be granted, in the agent's words. Returns nothing if it can be
/// granted, or if no agent reports within a second that it can't.
std::optional<std::string> why_not_submit(const std::string& job_socket, std::string ask);

}  // namespace secrets::spank
