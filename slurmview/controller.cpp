// SPDX-License-Identifier: Apache-2.0
#include "slurmview/controller.h"

#include <errno.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <unistd.h>

#include <memory>

#include "slurmview/job_states.h"

namespace secrets::slurmview {
namespace {

using slurm_query::JobState;
using JobInfo = std::unique_ptr<job_info_msg_t, decltype(&slurm_free_job_info_msg)>;
using ControllerConfig = std::unique_ptr<slurm_conf_t, decltype(&slurm_free_ctl_conf)>;

/// Returns the result for a job that slurmctld says it does not know: long ended, lost with
/// slurmctld's state, or hidden from this user.
StatusOr<Told> not_known() {
    slurm_conf_t* raw = nullptr;
    if (slurm_load_ctl_conf(0, &raw) != SLURM_SUCCESS) return cannot_be_asked(errno);
    const ControllerConfig config(raw, &slurm_free_ctl_conf);
    const bool hides_jobs = (config->private_data & PRIVATE_DATA_JOBS) != 0;
    if (hides_jobs && getuid() != 0 && getuid() != config->slurm_user_id) {
        return Told{JobState::unknown,
                    "slurmctld does not know a job or hides it: PrivateData in slurm.conf has "
                    "jobs, and slurm-secrets-view runs neither as SlurmUser nor as root"};
    }
    Told told{JobState::forgotten, ""};
    told.is_doubtful = true;
    return told;
}

}  // namespace

Status cannot_be_asked(int code) {
    return Status::failed(std::string("cannot query slurmctld: ") + slurm_strerror(code));
}

void open_controller() {
    slurm_init(nullptr);
}

StatusOr<Told> ask_controller(JobId job) {
    job_info_msg_t* raw = nullptr;
    // SHOW_ALL: includes jobs of hidden partitions. SHOW_LOCAL: of this cluster, not of a
    // federation.
    if (slurm_load_job(&raw, job.value, SHOW_ALL | SHOW_LOCAL) != SLURM_SUCCESS) {
        if (errno != ESLURM_INVALID_JOB_ID) return cannot_be_asked(errno);
        return not_known();
    }
    const JobInfo info(raw, &slurm_free_job_info_msg);
    // For the first id of an array or a heterogeneous job, slurmctld returns all of its jobs.
    for (std::uint32_t i = 0; i < info->record_count; ++i) {
        const slurm_job_info_t& record = info->job_array[i];
        if (record.job_id != job.value) continue;
        const JobState state = state_of(record.job_state);
        if (state != JobState::unknown) {
            return Told{state,
                        "",
                        runs(record.job_state),
                        Uid{record.user_id},
                        record.nodes != nullptr ? record.nodes : "",
                        waits_in_queue(record.job_state)};
        }
        return Told{state, "slurmctld reported the unknown job state " +
                               std::to_string(record.job_state) +
                               "; install a slurm-secrets-view that is built "
                               "for this version of Slurm"};
    }
    return not_known();
}

}  // namespace secrets::slurmview
