// SPDX-License-Identifier: Apache-2.0
#pragma once
// The plugin for Nextflow (nextflow/), for a Nextflow that a task starts.

#include <string>

#include "spank/slurm.h"

namespace secrets::spank {

/// Adds the jar to NXF_JVM_ARGS, which Nextflow's launcher passes to Java, if the file is there: a
/// jar that is missing would keep Java from starting. The task's own options stay.
void add_nextflow_agent(spank_t spank, const std::string& jar);

}  // namespace secrets::spank
