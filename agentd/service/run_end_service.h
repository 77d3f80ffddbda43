// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "agentd/service/expiry.h"

namespace secrets::service {

/// A request to end a run with its head job.
struct RunBinding {
    RunId run;
    JobId job;
    Uid uid;  ///< the job's user
};

/// The runs that end with a job: binds them to their head jobs, and ends them. Not thread-safe.
class RunEndService {
  public:
    RunEndService(ServiceContext& context, Expiry& expiry) : context_(context), expiry_(expiry) {}

    /// Binds a run to the job that Slurm started as its head. A run that ends with a job already
    /// stays with that job: whoever pushed it has said so, or its head is running.
    Status bind(const RunBinding& binding);
    /// Whether bind() would change nothing.
    bool is_bound(const RunId& run) const;

    /// Returns the jobs with which runs end, in order, beginning after `after`.
    std::vector<JobId> jobs(JobId after, std::size_t most) const {
        return context_.vault.jobs_that_end_runs(after, most);
    }
    std::vector<RunId> runs_until(JobId job) const { return context_.vault.runs_until(job); }
    /// Whether the job has a hold, on this host or on a node, that has not been wiped.
    bool has_hold(JobId job) const { return context_.has_hold(job); }

    /// Completes a run that ends with this job, which has ended. Does nothing if the run has ended
    /// or ends with another job.
    void end(const RunId& run, JobId job);

  private:
    ServiceContext& context_;
    Expiry& expiry_;
};

}  // namespace secrets::service
