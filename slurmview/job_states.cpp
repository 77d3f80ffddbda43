// SPDX-License-Identifier: Apache-2.0
#include "slurmview/job_states.h"

#include <slurm/slurm.h>

namespace secrets::slurmview {

using slurm_query::JobState;

JobState state_of(std::uint32_t job_state) {
    // A requeued job is pending and completing until its epilogs are done; a job whose nodes boot
    // is running and configuring.
    if ((job_state & (JOB_COMPLETING | JOB_CONFIGURING)) != 0) return JobState::active;
    const std::uint32_t base = job_state & JOB_STATE_BASE;
    if (base == JOB_RUNNING || base == JOB_SUSPENDED) return JobState::active;
    // Ended even if the job is to run again: its next hold is another hold.
    return base < JOB_END ? JobState::ended : JobState::unknown;
}

bool has_ended_for_good(std::uint32_t job_state) {
    // Flags of a job that its exit code, a node or the federation sends back to the queue, or that
    // runs on another cluster of the federation.
    constexpr std::uint32_t kGoesOn = JOB_COMPLETING | JOB_REQUEUE | JOB_REQUEUE_HOLD |
                                      JOB_SPECIAL_EXIT | JOB_REQUEUE_FED | JOB_REVOKED;
    const std::uint32_t base = job_state & JOB_STATE_BASE;
    return base > JOB_SUSPENDED && base < JOB_END && (job_state & kGoesOn) == 0;
}

JobState end_of(std::span<const std::uint32_t> parts) {
    JobState all = JobState::ended;
    for (const std::uint32_t job_state : parts) {
        if (has_ended_for_good(job_state)) continue;
        if (state_of(job_state) == JobState::unknown) return JobState::unknown;
        all = JobState::active;
    }
    return all;
}

bool waits_in_queue(std::uint32_t job_state) {
    return state_of(job_state) == JobState::ended && (job_state & JOB_STATE_BASE) == JOB_PENDING;
}

bool runs(std::uint32_t job_state) {
    if ((job_state & JOB_COMPLETING) != 0) return false;
    const std::uint32_t base = job_state & JOB_STATE_BASE;
    return base == JOB_RUNNING || base == JOB_SUSPENDED;
}

}  // namespace secrets::slurmview
