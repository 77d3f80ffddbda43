// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the files of jobs lie: below one directory of the node a directory for each job, named by
// its id, and in it a file for each secret and step. Whoever removes or makes something there goes
// by descriptors of directories and follows no link: the job's user owns the job's directory and
// may have put anything into it.

#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets {

/// The directory of all jobs. A link in its own place is not followed. Refused where others than
/// its owner may write to it.
StatusOr<UniqueFd> open_files_directory(const std::string& path);

/// How the job's directory is called in it.
std::string job_directory_name(JobId job);

/// Removes the job's directory with the files in it, below the directory of all jobs; a link or a
/// file in its place is removed itself. Whether there was anything.
StatusOr<bool> remove_job_files(int all_jobs, JobId job);

}  // namespace secrets
