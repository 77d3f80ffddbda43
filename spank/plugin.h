// SPDX-License-Identifier: Apache-2.0
#pragma once
// The plugin's contexts, one file each, called by the dispatcher in plugin.cpp. None of these
// functions throws; their return values go to Slurm unchanged. A non-zero return drains the node
// from every remote hook but those of a task (measured, Slurm 22.05 to 26.05), so only these make a
// job fail.

#include "common/base/plugin_arguments.h"
#include "spank/slurm.h"

namespace secrets::spank {

/// sbatch, srun, salloc: submit.cpp
int register_options(spank_t spank);
/// Must be called before Slurm reads the command's options.
void before_options();
int on_submit(const PluginArguments& arguments);

/// slurmstepd, as root, before it forks tasks: step.cpp
void on_step(spank_t spank, const PluginArguments& arguments);
void on_step_exit();

/// The forked child of each task, still root: task.cpp
int on_task(spank_t spank, const PluginArguments& arguments);
/// The same child as the job's user, after the plugins that gave it namespaces of its own: task.cpp
int on_task_as_user(spank_t spank, const PluginArguments& arguments);

/// The helper process at the job's end, as root: epilog.cpp
void on_epilog(spank_t spank, const PluginArguments& arguments);

}  // namespace secrets::spank
