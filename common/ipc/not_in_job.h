// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace secrets::ipc {

/// Begins the agent's denial to a process that slurmd does not know as one of a job.
inline constexpr std::string_view kNotInJob = "this process is not in a job on this node";

}  // namespace secrets::ipc
