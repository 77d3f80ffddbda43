// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/job_file_cleaner.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "agentd/audit/audit_log.h"
#include "common/base/job_files.h"

namespace secrets::slurm {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};

/// Returns the job that a directory of this name belongs to; nothing if the name is not a job's.
std::optional<JobId> job_of(std::string_view name) {
    JobId job;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), job.value);
    if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
    if (job_directory_name(job) != name) return std::nullopt;
    return job;
}

/// Compares `age` with the time since the directory's last change, which its owner can't set back.
bool is_at_least(std::chrono::seconds age, int directory, const char* name) {
    struct stat status {};
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
    return time(nullptr) - status.st_ctime >= age.count();
}

}  // namespace

std::vector<JobId> JobFileCleaner::jobs(std::chrono::seconds age) {
    if (access(directory_.c_str(), F_OK) != 0) return {};  // no job of this node has had a file
    auto all_jobs = open_files_directory(directory_);
    if (!all_jobs) {
        say_once(all_jobs.status().message());
        return {};
    }
    std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(all_jobs->get()));
    if (!directory) return {};
    const int fd = all_jobs->release();  // now owned by the stream
    std::vector<JobId> jobs;
    while (const dirent* entry = readdir(directory.get())) {
        const auto job = job_of(entry->d_name);
        if (job && !not_removed_.contains(*job) && is_at_least(age, fd, entry->d_name)) {
            jobs.push_back(*job);
        }
    }
    return jobs;
}

void JobFileCleaner::remove(JobId job) {
    if (access(directory_.c_str(), F_OK) != 0) return;
    const auto all_jobs = open_files_directory(directory_);
    if (!all_jobs) {
        say_once(all_jobs.status().message());
        return;
    }
    const auto removed = remove_job_files(all_jobs->get(), job);
    const std::string whose = "job " + std::to_string(job.value);
    if (!removed) {
        not_removed_.insert(job);
        audit::report_problem("cannot remove the files of " + whose + " in " + directory_ + ": " +
                              removed.status().message());
    } else if (*removed) {
        audit::record({.kind = audit::Kind::reap,
                       .sentence = whose + " ended without an epilog: its files were removed",
                       .job = job});
    }
}

void JobFileCleaner::say_once(const std::string& trouble) {
    if (trouble == said_) return;
    said_ = trouble;
    audit::report_problem("cannot remove files of jobs that ended without an epilog: " + trouble +
                          "; check the owner and mode of files_directory");
}

}  // namespace secrets::slurm
