// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/audit_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace secrets::audit {
namespace {

/// Syncs the name of a new file to the disk as well. Ignores a directory that cannot be opened or
/// synced (some network file systems): the events are written to the file.
void sync_directory_of(const std::string& path) {
    const std::string directory = path.substr(0, path.rfind('/') + 1);
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() >= 0) fsync(fd.get());
}

/// Returns whether the file ends in the middle of a line, as after a full disk.
bool ends_torn(int fd, off_t size) {
    char last = '\n';
    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

}  // namespace

StatusOr<AuditFile> AuditFile::open(const std::string& path) {
    const auto wrong = [&](const std::string& why) {
        return Status::failed("cannot open the audit trail " + path + ": " + why);
    };
    // O_NONBLOCK: the call does not wait for a FIFO or a device, which is rejected below.
    UniqueFd file(
        ::open(path.c_str(),
               O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600));
    if (file.get() < 0) {
        if (errno == ELOOP) return wrong("it is a symbolic link; name the file itself");
        if (errno == EROFS) {
            return wrong(
                "Read-only file system; the agent's unit allows writes only in "
                "/var/log/slurm-secrets (ReadWritePaths= in a drop-in adds a folder)");
        }
        return wrong(std::strerror(errno));
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return wrong(std::strerror(errno));
    if (!S_ISREG(status.st_mode)) return wrong("it is not a regular file");
    if (status.st_size == 0) sync_directory_of(path);
    const bool torn = ends_torn(file.get(), status.st_size);
    return AuditFile(path, std::move(file), torn);
}

Status AuditFile::cannot_write(int error) const {
    return Status::unavailable("cannot write the audit trail " + path_ + ": " +
                               std::strerror(error));
}

Status AuditFile::append(std::string_view line) {
    if (Status failure = append_unsynced(line); !failure.ok()) return failure;
    return sync();
}

Status AuditFile::sync() {
    if (is_synced_) return Status();
    if (fdatasync(file_.get()) != 0) return cannot_write(errno);
    is_synced_ = true;
    return Status();
}

Status AuditFile::append_unsynced(std::string_view line) {
    is_synced_ = false;
    const std::string bytes = (torn_ ? "\n" : "") + std::string(line);
    ssize_t written = -1;
    do {
        written = write(file_.get(), bytes.data(), bytes.size());
    } while (written < 0 && errno == EINTR);
    if (written < 0) return cannot_write(errno);
    if (written > 0) torn_ = bytes[static_cast<std::size_t>(written) - 1] != '\n';
    // A write to a regular file is short only when the disk is full.
    if (static_cast<std::size_t>(written) < bytes.size()) return cannot_write(ENOSPC);
    return Status();
}

std::optional<AuditFile::Space> AuditFile::space() const {
    struct statvfs status {};
    if (fstatvfs(file_.get(), &status) != 0) return std::nullopt;
    return Space{std::uint64_t{status.f_bavail} * status.f_frsize,
                 std::uint64_t{status.f_blocks} * status.f_frsize};
}

}  // namespace secrets::audit
