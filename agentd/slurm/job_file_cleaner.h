// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files of jobs (common/base/job_files.h) that no epilog removed. The plugin writes them; the
// agent only ever removes.

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"

namespace secrets::slurm {

/// Not thread-safe. What it can't do it writes to the log, once.
class JobFileCleaner {
  public:
    explicit JobFileCleaner(std::string directory) : directory_(std::move(directory)) {}

    /// The jobs that have a directory in which for at least `age` nothing was made or removed.
    std::vector<JobId> jobs(std::chrono::seconds age);

    /// The job has ended: removes its directory, if it has one.
    void remove(JobId job);

  private:
    void say_once(const std::string& trouble);

    std::string directory_;
    std::string said_;             ///< the last trouble with the directory itself
    std::set<JobId> not_removed_;  ///< jobs whose directory could not be removed: tried no more
};

}  // namespace secrets::slurm
