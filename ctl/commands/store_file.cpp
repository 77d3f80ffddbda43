// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <system_error>

#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

std::string text_of(int error) {
    return std::generic_category().message(error);
}

/// Returns the path without symbolic links, or as it is if that cannot be found out.
std::string target_of(const std::string& path) {
    char* const real = ::realpath(path.c_str(), nullptr);
    std::string target = real != nullptr ? real : path;
    std::free(real);
    return target;
}

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == path.npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

CommandError cannot_remove(const std::string& path, const std::string& cause) {
    return CommandError(ExitCode::bad_input, "cannot remove " + path + " after the push: " + cause +
                                                 "; nothing is pushed");
}

struct stat status_of(int fd) {
    struct stat status {};
    ::fstat(fd, &status);
    return status;
}

/// Checks that the file can be removed so that no copy of it is left by another name.
void check_removable(int fd, const std::string& path, const std::string& target) {
    const struct stat status = status_of(fd);
    if (status.st_uid != ::geteuid()) throw cannot_remove(path, "it belongs to another user");
    if (status.st_nlink != 1) throw cannot_remove(path, "it has a second name (a hard link)");
    for (const std::string& name : {path, target}) {
        if (::access(directory_of(name).c_str(), W_OK | X_OK) != 0)
            throw cannot_remove(path, "its directory: " + text_of(errno));
    }
}

/// Overwrites the whole file with zeros, and has the disk write them.
int overwrite(int fd) {
    constexpr std::array<char, 4096> kZeros{};
    const off_t size = status_of(fd).st_size;
    for (off_t at = 0; at < size;) {
        const auto length =
            static_cast<std::size_t>(std::min<off_t>(size - at, static_cast<off_t>(kZeros.size())));
        const ssize_t written = ::pwrite(fd, kZeros.data(), length, at);
        if (written < 0 && errno != EINTR) return errno;
        if (written > 0) at += written;
    }
    return ::fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

StoreFile::StoreFile(std::string path, bool removes)
    : path_(std::move(path)),
      target_(target_of(path_)),
      // Without O_NONBLOCK the open of a FIFO would wait for a writer.
      file_(::open(path_.c_str(), (removes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK)) {
    if (!file_) {
        const std::string cause = text_of(errno);
        if (removes && errno != ENOENT) throw cannot_remove(path_, cause);
        throw CommandError(ExitCode::bad_input, "cannot read " + path_ + ": " + cause);
    }
    if (!S_ISREG(status_of(file_.get()).st_mode)) {
        throw CommandError(ExitCode::bad_input,
                           "cannot read " + path_ + ": it is not a regular file");
    }
    if (removes) check_removable(file_.get(), path_, target_);
}

SecretText StoreFile::read() const {
    // The same file, whatever the path names by now.
    return read_secret_text(file_.get(), path_);
}

void StoreFile::remove() const {
    const auto left = [](const std::string& file, const std::string& cause) {
        return CommandError(ExitCode::file_left, "the run is pushed, but " + file +
                                                     " is still there: " + cause + "; remove it");
    };
    struct stat named {};
    const struct stat opened = status_of(file_.get());
    if (::lstat(target_.c_str(), &named) != 0) throw left(path_, text_of(errno));
    if (named.st_dev != opened.st_dev || named.st_ino != opened.st_ino) {
        throw left(path_, "it was replaced during the push");
    }
    // Overwritten only when it has no name any more: what cannot be removed stays as it is.
    if (::unlink(target_.c_str()) != 0) throw left(path_, text_of(errno));
    if (const int error = overwrite(file_.get())) {
        throw CommandError(ExitCode::file_left,
                           "the run is pushed and " + path_ +
                               " is removed, but its bytes may still be on the "
                               "disk: cannot overwrite them: " +
                               text_of(error));
    }
    const bool is_link = ::lstat(path_.c_str(), &named) == 0 && S_ISLNK(named.st_mode);
    if (is_link && ::unlink(path_.c_str()) != 0) throw left("the link " + path_, text_of(errno));
}

}  // namespace secrets::ctl
