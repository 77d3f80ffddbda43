// SPDX-License-Identifier: Apache-2.0
#include "slurmview/processes.h"

#include <errno.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include "common/ipc/slurm_query_protocol.h"

namespace secrets::slurmview {

StatusOr<JobId> job_of_process(std::uint32_t pid) {
    std::uint32_t job = 0;
    if (slurm_pid2jobid(static_cast<pid_t>(pid), &job) == SLURM_SUCCESS) return JobId{job};
    if (errno == ESLURM_INVALID_JOB_ID) return slurm_query::kNoJob;
    return Status::failed(std::string("cannot query slurmd: ") + slurm_strerror(errno));
}

}  // namespace secrets::slurmview
