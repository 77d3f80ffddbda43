// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <set>

#include "common/ipc/slurm_query_protocol.h"

namespace secrets::slurm {

/// Decides whether jobs have ended by Slurm's answers. A job that Slurm has forgotten counts as
/// ended after kForgotten and kLeastForgotten answers in a row, since slurmctld forgets its jobs if
/// it loses its state.
class ForgottenJobs {
  public:
    using Clock = std::chrono::steady_clock;

    static constexpr auto kForgotten = std::chrono::minutes(10);
    static constexpr unsigned kLeastForgotten = 3;

    /// Returns whether that answer, after those before it, says that the job has ended.
    bool has_ended(JobId job, slurm_query::JobState state);
    void erase(JobId job) { answers_.erase(job); }
    /// Drops the answers about all other jobs.
    void keep_only(const std::set<JobId>& jobs) {
        std::erase_if(answers_, [&](const auto& entry) { return !jobs.contains(entry.first); });
    }

  private:
    /// Answers in a row that Slurm has forgotten a job.
    struct Answers {
        Clock::time_point since;
        unsigned count = 0;
    };
    std::map<JobId, Answers> answers_;
};

}  // namespace secrets::slurm
