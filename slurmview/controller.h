// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asks slurmctld about jobs. This, accounting.cpp and nodes.cpp alone call libslurm.

#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// Reads slurm.conf, as every Slurm command does. Where libslurm finds none it ends the process,
/// with its reason on standard error. To be called once, before slurmctld is asked.
void open_controller();

/// That slurmctld can't be asked, in libslurm's words for `code`.
Status cannot_be_asked(int code);

/// Asks slurmctld about that very job; blocks for as long as libslurm waits (MessageTimeout of
/// slurm.conf for each controller).
///
/// One call a job, and not slurm_load_jobs(): that copies every job of the cluster out of
/// slurmctld, which holds its lock meanwhile, while a node has holds of its own few jobs only.
StatusOr<Told> ask_controller(JobId job);

}  // namespace secrets::slurmview
