// SPDX-License-Identifier: Apache-2.0
// The helper process at the job's end: tells the agent to wipe the job's grants, and removes the
// remaining files of the job. While it runs the node is "completing" and accepts no other job, so
// it does not wait long. None of its errors may fail the epilog.

#include <errno.h>
#include <unistd.h>

#include "common/base/job_files.h"
#include "spank/agent_client.h"
#include "spank/plugin.h"

namespace secrets::spank {
namespace {

constexpr auto kPatience = std::chrono::milliseconds(2000);

void wipe(JobId job, const PluginArguments& arguments) {
    const auto receipt = wipe_job(arguments.node_socket, kPatience, job);
    if (receipt) {
        slurm_verbose("secrets: %s", receipt->c_str());
    } else {
        slurm_error("secrets: cannot wipe the secrets of job %u: %s", job.value,
                    receipt.status().message().c_str());
    }
}

/// Succeeds if the directory for files does not exist: then no job of the node had a file.
Status remove_files(JobId job, const std::string& directory) {
    if (access(directory.c_str(), F_OK) != 0 && errno == ENOENT) return Status();
    const auto all_jobs = open_files_directory(directory);
    if (!all_jobs) return all_jobs.status();
    const auto removed = remove_job_files(all_jobs->get(), job);
    return removed ? Status() : removed.status();
}

}  // namespace

void on_epilog(spank_t spank, const PluginArguments& arguments) {
    std::uint32_t job = 0;
    if (spank_get_item(spank, S_JOB_ID, &job) != ESPANK_SUCCESS) {
        slurm_error(
            "secrets: cannot wipe the secrets of the ended job: Slurm does not provide its job id");
        return;
    }
    wipe(JobId{job}, arguments);
    if (const Status failure = remove_files(JobId{job}, arguments.files_directory); !failure.ok()) {
        slurm_error("secrets: cannot remove the files of job %u in %s: %s", job,
                    arguments.files_directory.c_str(), failure.message().c_str());
    }
}

}  // namespace secrets::spank
