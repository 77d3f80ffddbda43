// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files of one step on this node: DIRECTORY/JOB/SECRET.STEP, readable only by the job's user
// and root.

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/base/unique_fd.h"
#include "common/secure_memory/delivery.h"

namespace secrets::spank {

/// The owner of the files.
struct FileOwner {
    uid_t user = 0;
    gid_t group = 0;
};

/// Writes as root, while steps of the same job may write too and the job's user may change the
/// content of the job's directory. Follows nothing that the user has planted in the directory.
class StepFiles {
  public:
    /// `directory` is the directory of all jobs.
    StepFiles(std::string directory, JobId job, StepId step, FileOwner owner);

    /// Writes the files among `entries`, each secret's once, directly from the memory of the
    /// values. If one can't be written, removes all of them.
    Status write(std::span<const DeliveryEntry> entries);

    /// Returns the path of a secret's file.
    std::string path_of(std::string_view secret) const;

    /// Checks whether this process, a task of the step, can read each file.
    Status check_readable() const;

    /// Removes the files that write() wrote.
    void remove();

  private:
    std::string file_name(std::string_view secret) const;
    StatusOr<UniqueFd> open_job_directory(int all_jobs) const;
    Status own(int job_directory, int all_jobs) const;
    Status write_file(std::string_view secret, SecretView value);

    std::string directory_;
    JobId job_;
    StepId step_;
    FileOwner owner_;
    UniqueFd job_directory_;
    std::vector<std::string> written_;
};

}  // namespace secrets::spank
