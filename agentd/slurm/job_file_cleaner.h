// SPDX-License-Identifier: Apache-2.0
#pragma once
// Removes the files of jobs (common/base/job_files.h) that no epilog removed. The plugin writes
// these files; the agent only removes them.

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"

namespace secrets::slurm {

/// Not thread-safe. Logs a failure once.
class JobFileCleaner {
  public:
    explicit JobFileCleaner(std::string directory) : directory_(std::move(directory)) {}

    /// Returns the jobs in whose directory nothing was made or removed for at least `age`.
    std::vector<JobId> jobs(std::chrono::seconds age);

    /// Removes the directory of a job that has ended, if the job has one.
    void remove(JobId job);

  private:
    void say_once(const std::string& trouble);

    std::string directory_;
    std::string said_;             ///< the last logged trouble with the directory itself
    std::set<JobId> not_removed_;  ///< jobs whose directory could not be removed: not tried again
};

}  // namespace secrets::slurm
