// SPDX-License-Identifier: Apache-2.0
#pragma once
// The arguments of the plugin's line in plugstack.conf: the plugin reads them, and secretctl doctor
// checks them.

#include <chrono>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace secrets {

/// What a command that submits does if the agent reports that the secret spec can't be granted.
enum class SubmitCheck { refuse, warn, off };

struct PluginArguments {
    std::string node_socket = "/run/slurm-secrets/node.sock";
    std::string job_socket = "/run/slurm-secrets/job.sock";
    std::string files_directory = "/run/slurm-secrets/jobs";
    std::chrono::seconds timeout{5};  ///< for a reply of the agent
    std::chrono::seconds wait{10};    ///< for the push of a run that does not exist yet
    SubmitCheck check_at_submit = SubmitCheck::refuse;
    bool on_error_continue = false;  ///< an error is a warning, and the job runs without secrets
    std::vector<std::string> run_id_variables{"TOWER_WORKFLOW_ID"};
    std::string run_id_job_name;  ///< what precedes a run id in a job's name; empty: none does
    std::string nextflow;         ///< the jar of the plugin for Nextflow; empty: Nextflow gets none
};

/// Reads `node_socket=… job_socket=… files=… timeout=… wait=… on_error=fail|continue
/// check_at_submit=refuse|warn|off run_id_env=NAME[,NAME] run_id_job_name=PREFIX nextflow=…`. Stops
/// at the first invalid argument and returns a Status. Slurm must not fail for it, so the caller
/// logs the Status and continues with `arguments`, which then holds the defaults and the valid
/// arguments before the invalid one.
Status read_plugin_arguments(int count, const char* const* values, PluginArguments& arguments);

}  // namespace secrets
