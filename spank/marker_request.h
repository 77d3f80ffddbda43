// SPDX-License-Identifier: Apache-2.0
#pragma once
// The question of a command that may be inside a job, but has lost the job's marker.

#include <chrono>
#include <optional>
#include <string>

#include "common/ipc/marker.h"

namespace secrets::spank {

struct MarkerAnswer {
    std::optional<Marker> marker{};
    /// Why the agent could not tell whether the job was given secrets; empty if it could.
    std::string why_unknown{};
};

/// Returns the marker of the job around this process, from the agent, within `patience`. Returns
/// nothing at once, without asking, if no slurmstepd is among the process's ancestors and no cgroup
/// of a job is around it, and if no agent is there. In a pid namespace, where the ancestors may be
/// hidden, it asks, too.
MarkerAnswer request_marker(const std::string& job_socket, std::chrono::milliseconds patience);

}  // namespace secrets::spank
