// SPDX-License-Identifier: Apache-2.0
#pragma once
// The plugin for Nextflow (nextflow/), for a Nextflow that a task starts.

#include "common/base/plugin_arguments.h"
#include "spank/slurm.h"

namespace secrets::spank {

/// Adds the jar to NXF_JVM_ARGS if it `is_wanted` and on this node. Removes one that the task
/// inherited from another node and that is not on this one, since it would keep Java from starting.
/// The task's own options stay.
void update_nextflow_agent(spank_t spank, const PluginArguments& arguments, bool is_wanted);

}  // namespace secrets::spank
