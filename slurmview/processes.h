// SPDX-License-Identifier: Apache-2.0
#pragma once
// Queries the slurmd of this host for processes.

#include <cstdint>

#include "common/base/ids.h"

namespace secrets::slurmview {

/// Returns the job to which the process belongs, or kNoJob. Blocks for as long as libslurm waits.
StatusOr<JobId> job_of_process(std::uint32_t pid);

}  // namespace secrets::slurmview
