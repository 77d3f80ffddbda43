// SPDX-License-Identifier: Apache-2.0
#include "spank/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/errno_status.h"
#include "common/base/job_files.h"
#include "common/base/names.h"

namespace secrets::spank {
namespace {

/// The mode of the directory of all jobs, if systemd has not created it: a user who knows a job's
/// id gets no further than to that job's directory, and no user can list the jobs.
constexpr mode_t kModeOfAllJobs = 0711;

/// The mode of a job's directory: its user may read it, and the agent, whose group owns it, may
/// remove remaining files from it.
constexpr mode_t kModeOfJob = 0570;

constexpr mode_t kModeOfFile = 0400;

StatusOr<UniqueFd> make_and_open(const std::string& path) {
    if (mkdir(path.c_str(), kModeOfAllJobs) == 0) {
        // Restores the bits that the umask removed.
        if (chmod(path.c_str(), kModeOfAllJobs) != 0) return errno_status("chmod() of " + path);
    } else if (errno != EEXIST) {
        return errno_status("creating the directory for job files, " + path + ",");
    }
    return open_files_directory(path);
}

UniqueFd open_directory(int parent, const std::string& name) {
    return UniqueFd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool write_all(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

StepFiles::StepFiles(std::string directory, JobId job, StepId step, FileOwner owner)
    : directory_(std::move(directory)), job_(job), step_(step), owner_(owner) {}

std::string StepFiles::file_name(std::string_view secret) const {
    return std::string(secret) + "." + step_word(step_);
}

std::string StepFiles::path_of(std::string_view secret) const {
    return directory_ + "/" + job_directory_name(job_) + "/" + file_name(secret);
}

Status StepFiles::write(std::span<const DeliveryEntry> entries) {
    if (std::none_of(entries.begin(), entries.end(),
                     [](const DeliveryEntry& entry) { return entry.is_file(); })) {
        return Status();
    }
    const auto all_jobs = make_and_open(directory_);
    if (!all_jobs) return all_jobs.status();
    auto job_directory = open_job_directory(all_jobs->get());
    if (!job_directory) return job_directory.status();
    job_directory_ = std::move(job_directory).value();
    for (const DeliveryEntry& entry : entries) {
        if (!entry.is_file()) continue;
        if (std::find(written_.begin(), written_.end(), file_name(entry.secret)) != written_.end())
            continue;
        if (Status failure = write_file(entry.secret, entry.value); !failure.ok()) {
            remove();
            return failure;
        }
    }
    return Status();
}

/// Several steps of a job may run this at once: whichever creates the directory, each of them gives
/// it to the user. An entry in its position that is not the job's directory is removed.
StatusOr<UniqueFd> StepFiles::open_job_directory(int all_jobs) const {
    const std::string name = job_directory_name(job_);
    const std::string path = directory_ + "/" + name;
    constexpr int kTries = 10;
    for (int tries = 0; tries < kTries; ++tries) {
        if (mkdirat(all_jobs, name.c_str(), 0700) != 0 && errno != EEXIST) {
            return errno_status("creating the directory " + path);
        }
        UniqueFd fd = open_directory(all_jobs, name);
        if (fd) {
            struct stat status {};
            if (fstat(fd.get(), &status) != 0) return errno_status("fstat() of " + path);
            if (status.st_uid == 0 || status.st_uid == owner_.user) {
                if (Status failure = own(fd.get(), all_jobs); !failure.ok()) return failure;
                return fd;
            }
        } else if (errno == ENOENT) {
            continue;  // raced with another step that is creating or removing the directory: retry,
                       // never remove
        } else if (errno != ENOTDIR && errno != ELOOP) {
            return errno_status("opening the directory " + path);
        }
        if (const auto removed = remove_job_files(all_jobs, job_); !removed) {
            return Status::failed(
                "cannot remove " + path +
                ", which is not this job's directory: " + removed.status().message());
        }
    }
    return Status::failed("cannot create the job's directory " + path +
                          ": it is replaced again and again");
}

/// Gives the directory to the user, and to the group of its parent directory: the agent's.
Status StepFiles::own(int job_directory, int all_jobs) const {
    struct stat above {};
    if (fstat(all_jobs, &above) != 0 || fchown(job_directory, owner_.user, above.st_gid) != 0 ||
        fchmod(job_directory, kModeOfJob) != 0) {
        return errno_status("setting the owner and mode of the job's directory for files");
    }
    return Status();
}

/// Writes under another name until the file is complete and owned by the user, so that no reader
/// sees a part of it and any entry in its position is replaced.
Status StepFiles::write_file(std::string_view secret, SecretView value) {
    const std::string name = file_name(secret);
    const std::string being_written = "." + name + "." + std::to_string(getpid());
    const int directory = job_directory_.get();
    const std::string what = "cannot write the file of secret " + in_quotes(secret) + ": ";
    const UniqueFd fd(openat(directory, being_written.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return Status::failed(what + errno_status("creating it").message());
    Status failure;
    if (!write_all(fd.get(), value.bytes())) {
        failure = errno_status("writing");
    } else if (fchown(fd.get(), owner_.user, owner_.group) != 0 ||
               fchmod(fd.get(), kModeOfFile) != 0) {
        failure = errno_status("setting its owner and mode");
    } else if (renameat(directory, being_written.c_str(), directory, name.c_str()) != 0) {
        failure = errno_status("renaming it to " + path_of(secret));
    }
    if (!failure.ok()) {
        unlinkat(directory, being_written.c_str(), 0);
        return Status::failed(what + failure.message());
    }
    written_.push_back(name);
    return Status();
}

Status StepFiles::check_readable() const {
    for (const std::string& name : written_) {
        const std::string path = directory_ + "/" + job_directory_name(job_) + "/" + name;
        if (access(path.c_str(), R_OK) == 0) continue;
        const std::string why = strerror(errno);
        std::string sentence = "cannot give secret " + in_quotes(name.substr(0, name.rfind('.')));
        sentence.append(" as a file: the task cannot read ").append(path);
        sentence.append(": ").append(why).append("; mount ").append(directory_);
        sentence.append(" into the task's container, or request the secret without :file");
        return Status::failed(std::move(sentence));
    }
    return Status();
}

void StepFiles::remove() {
    for (const std::string& name : written_) unlinkat(job_directory_.get(), name.c_str(), 0);
    written_.clear();
    job_directory_.reset();
}

}  // namespace secrets::spank
