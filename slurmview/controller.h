// SPDX-License-Identifier: Apache-2.0
#pragma once
// Queries slurmctld for jobs. Only this file, accounting.cpp, nodes.cpp and
// processes.cpp call libslurm.

#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// Reads slurm.conf, as every Slurm command does. If libslurm finds none, it ends the process and
/// prints its reason to standard error. Must be called once, before any query to slurmctld.
void open_controller();

/// Returns a Status that slurmctld can't be queried, with libslurm's text for `code`.
Status cannot_be_asked(int code);

/// Queries slurmctld for exactly that job; blocks for as long as libslurm waits (MessageTimeout of
/// slurm.conf for each controller).
///
/// Uses one call per job instead of slurm_load_jobs(), which copies every job of the cluster out of
/// slurmctld while holding slurmctld's lock, although a node has holds only of its own few jobs.
StatusOr<Told> ask_controller(JobId job);

/// Queries slurmctld whether that job, with all tasks of an array or all parts of a heterogeneous
/// job of which it is the first id, has ended for good. Blocks as long.
StatusOr<Told> ask_for_end(JobId job);

}  // namespace secrets::slurmview
