// SPDX-License-Identifier: Apache-2.0
#include "slurmview/controller.h"

#include <errno.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "slurmview/job_states.h"
#include "slurmview/slurm_versions.h"

namespace secrets::slurmview {
namespace {

using slurm_query::JobState;
using JobInfo = std::unique_ptr<job_info_msg_t, decltype(&slurm_free_job_info_msg)>;

/// Asks slurmctld for a job, and for all jobs of an array or a heterogeneous job by its first id.
/// Sets `error` to 0, or to Slurm's error.
JobInfo load_job(JobId job, int& error) {
    job_info_msg_t* raw = nullptr;
    // SHOW_ALL: includes jobs of hidden partitions. SHOW_LOCAL: of this cluster, not of a
    // federation.
    const int outcome = load_job_info(&raw, job.value, SHOW_ALL | SHOW_LOCAL);
    error = outcome == SLURM_SUCCESS ? 0 : errno;
    return {outcome == SLURM_SUCCESS ? raw : nullptr, &slurm_free_job_info_msg};
}

/// Returns the result for a job with a state that this program does not know. `parts`: the
/// job_state of each of its parts.
Told unknown_state(std::span<const std::uint32_t> parts) {
    const auto unknown = std::find_if(parts.begin(), parts.end(), [](std::uint32_t job_state) {
        return state_of(job_state) == JobState::unknown;
    });
    return {JobState::unknown,
            "slurmctld reported the unknown job state " + std::to_string(*unknown) +
                "; install a slurm-secrets-view that is built for this version of Slurm"};
}

/// Returns the result for a job that slurmctld says it does not know: long ended, lost with
/// slurmctld's state, or hidden from this user.
StatusOr<Told> not_known() {
    slurm_conf_t* raw = nullptr;
    if (slurm_load_ctl_conf(0, &raw) != SLURM_SUCCESS) return cannot_be_asked(errno);
    const ControllerConfig config(raw, &free_controller_config);
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
    int error = 0;
    const JobInfo info = load_job(job, error);
    if (error == ESLURM_INVALID_JOB_ID) return not_known();
    if (error != 0) return cannot_be_asked(error);
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
        return unknown_state({&record.job_state, 1});
    }
    return not_known();
}

StatusOr<Told> ask_for_end(JobId job) {
    int error = 0;
    const JobInfo info = load_job(job, error);
    if (error == ESLURM_INVALID_JOB_ID) return not_known();
    if (error != 0) return cannot_be_asked(error);
    if (info->record_count == 0) return not_known();
    std::vector<std::uint32_t> parts;
    for (std::uint32_t i = 0; i < info->record_count; ++i)
        parts.push_back(info->job_array[i].job_state);
    const JobState state = end_of(parts);
    if (state == JobState::unknown) return unknown_state(parts);
    Told told{state, ""};
    told.owner.value = info->job_array[0].user_id;  // of all parts
    return told;
}

}  // namespace secrets::slurmview
