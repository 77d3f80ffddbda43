// SPDX-License-Identifier: Apache-2.0
#include "slurmview/processes.h"

#include <errno.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <memory>
#include <string>

#include "common/ipc/slurm_query_protocol.h"
#include "slurmview/slurm_versions.h"
#include "slurmview/step_list.h"

namespace secrets::slurmview {
namespace {

using SlurmdStatus = std::unique_ptr<slurmd_status_t, decltype(&slurm_free_slurmd_status)>;

Status slurmd_cannot_be_asked(int code) {
    return Status::failed(std::string("cannot query slurmd: ") + slurm_strerror(code));
}

}  // namespace

StatusOr<JobId> job_of_process(std::uint32_t pid) {
    std::uint32_t job = 0;
    if (job_of_pid(static_cast<pid_t>(pid), job) == SLURM_SUCCESS) return JobId{job};
    if (errno == ESLURM_INVALID_JOB_ID) return slurm_query::kNoJob;
    return slurmd_cannot_be_asked(errno);
}

StatusOr<std::set<JobId>> jobs_with_steps() {
    slurmd_status_t* raw = nullptr;
    if (slurm_load_slurmd_status(&raw) != SLURM_SUCCESS) return slurmd_cannot_be_asked(errno);
    const SlurmdStatus status(raw, &slurm_free_slurmd_status);
    if (status->step_list == nullptr) return Status::failed("slurmd sent no list of its steps");
    return jobs_in_step_list(status->step_list);
}

}  // namespace secrets::slurmview
