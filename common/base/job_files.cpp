// SPDX-License-Identifier: Apache-2.0
#include "common/base/job_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "common/base/errno_status.h"

namespace secrets {
namespace {

/// Removes a file, a link or an empty directory.
bool remove_entry(int directory, const char* name) {
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT) return true;
    const int why = errno;
    if (unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
    if (errno == ENOTDIR) errno = why;
    return false;
}

/// Removes entries one level deep, since steps are given no deeper files.
Status remove_entries(UniqueDirectory directory) {
    Status failure;
    while (const dirent* entry = readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        if (remove_entry(dirfd(directory.get()), entry->d_name) || !failure.ok()) continue;
        failure = errno_status("removing a file in the directory");
    }
    return failure;
}

}  // namespace

StatusOr<UniqueFd> open_files_directory(const std::string& path) {
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return errno_status("opening the directory for job files, " + path + ",");
    struct stat status {};
    if (fstat(fd.get(), &status) != 0) return errno_status("fstat() of " + path);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return Status::failed("the directory for job files, " + path +
                              ", is writable by others than its owner; run: chmod 0711 " + path);
    }
    return fd;
}

std::string job_directory_name(JobId job) {
    return std::to_string(job.value);
}

StatusOr<bool> remove_job_files(int all_jobs, JobId job) {
    const std::string name = job_directory_name(job);
    UniqueFd fd(openat(all_jobs, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == ENOENT) return false;
    if (!fd && errno != ENOTDIR && errno != ELOOP) return errno_status("opening the directory");
    Status failure;
    if (fd) {
        auto directory = directory_stream(std::move(fd));
        if (!directory) return errno_status("reading the directory");
        failure = remove_entries(std::move(directory));
    }
    if (remove_entry(all_jobs, name.c_str())) return true;
    return !failure.ok() ? failure : errno_status("removing the directory");
}

}  // namespace secrets
