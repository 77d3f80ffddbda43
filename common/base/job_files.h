// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files of jobs. One directory of the node holds a directory for each job, named by the job's
// id, which holds a file for each secret and step. Every function that removes or creates entries
// works relative to directory descriptors and follows no symbolic link: the job's user owns the
// job's directory and may have put anything into it.

#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets {

/// Opens the directory of all jobs. Follows no symbolic link in its position, and fails if any
/// account but the directory's owner may write to it.
StatusOr<UniqueFd> open_files_directory(const std::string& path);

/// Returns the name of the job's directory within the directory of all jobs.
std::string job_directory_name(JobId job);

/// Removes the job's directory with its files from the directory of all jobs; a link or a file in
/// its position is itself removed. Returns whether there was anything to remove.
StatusOr<bool> remove_job_files(int all_jobs, JobId job);

}  // namespace secrets
