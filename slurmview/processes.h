// SPDX-License-Identifier: Apache-2.0
#pragma once
// Queries the slurmd of this host for processes and steps. A host with several has a list of their
// nodes in SLURMD_NODENAME, and each is queried in turn.

#include <cstdint>
#include <set>

#include "common/base/ids.h"

namespace secrets::slurmview {

/// Returns the job to which the process belongs, or kNoJob. Blocks for as long as libslurm waits.
/// slurmd leaves out a step that it cannot ask, whose processes then seem to belong to no job.
StatusOr<JobId> job_of_process(std::uint32_t pid);

/// Returns the jobs that have a step on this host. Blocks likewise.
StatusOr<std::set<JobId>> jobs_with_steps();

}  // namespace secrets::slurmview
