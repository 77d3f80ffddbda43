// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/forgotten_jobs.h"

namespace secrets::slurm {

bool ForgottenJobs::has_ended(JobId job, slurm_query::JobState state) {
    using slurm_query::JobState;
    if (state == JobState::ended) return true;
    if (state == JobState::active) answers_.erase(job);
    if (state != JobState::forgotten) return false;
    Answers& row = answers_[job];
    if (row.count == 0) row.since = Clock::now();
    ++row.count;
    return row.count >= kLeastForgotten && Clock::now() - row.since >= kForgotten;
}

}  // namespace secrets::slurm
