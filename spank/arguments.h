// SPDX-License-Identifier: Apache-2.0
#pragma once
// The arguments of the plugin's line in plugstack.conf.

#include <chrono>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace secrets::spank {

/// What a command that submits does about an ask that the agent says can have no answer.
enum class SubmitCheck { refuse, warn, off };

struct Arguments {
    std::string node_socket = "/run/slurm-secrets/node.sock";
    std::string job_socket = "/run/slurm-secrets/job.sock";
    std::string files_directory = "/run/slurm-secrets/jobs";
    std::chrono::seconds timeout{5};  ///< for an answer of the agent
    std::chrono::seconds wait{10};    ///< for the push of a run that is not there yet
    SubmitCheck check_at_submit = SubmitCheck::refuse;
    bool on_error_continue = false;  ///< a failure is a warning, and the job runs without secrets
    std::vector<std::string> run_id_variables{"TOWER_WORKFLOW_ID"};
};

/// Reads `node_socket=… job_socket=… files=… timeout=… wait=… on_error=fail|continue
/// check_at_submit=refuse|warn|off run_id_env=NAME[,NAME]`. On the
/// first that is wrong an Error: Slurm must not be failed for it, so the caller logs it and goes on
/// with what `arguments` holds, which is the defaults and what was right before it.
Status read_arguments(int count, char** values, Arguments& arguments);

}  // namespace secrets::spank
