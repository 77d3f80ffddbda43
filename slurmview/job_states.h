// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "common/ipc/slurm_query_protocol.h"

namespace secrets::slurmview {

/// Maps Slurm's job_state with its flags to whether the job occupies a node.
slurm_query::JobState state_of(std::uint32_t job_state);

/// Whether the job has ended for good: it neither waits in the queue, to start or to start again,
/// nor is it being ended.
bool has_ended_for_good(std::uint32_t job_state);

/// Whether all parts of a job have ended for good: ended, or active, or unknown if that is unknown
/// of one. `parts`: the job_state of each task of an array or part of a heterogeneous job.
slurm_query::JobState end_of(std::span<const std::uint32_t> parts);

/// Whether the job has no nodes yet, or not any more: a slurmctld that has read an old state may
/// say so of a job that runs.
bool waits_in_queue(std::uint32_t job_state);

/// Whether the job's steps may run: it has nodes, and its epilogs have not begun.
bool runs(std::uint32_t job_state);

}  // namespace secrets::slurmview
