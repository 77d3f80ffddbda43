// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/ipc/slurm_query_protocol.h"

namespace secrets::slurmview {

/// What Slurm's job_state, with its flags, says of a job's hold on a node.
slurm_query::JobState state_of(std::uint32_t job_state);

/// Whether its steps may run: it has nodes, and its epilogs have not begun.
bool runs(std::uint32_t job_state);

}  // namespace secrets::slurmview
