// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dirent.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace secrets {

/// Owns a file descriptor and closes it. Move only; -1 is none.
class UniqueFd {
  public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~UniqueFd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }

  private:
    int fd_ = -1;
};

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};
/// Owns a directory stream and closes it.
using UniqueDirectory = std::unique_ptr<DIR, CloseDirectory>;

/// Returns a stream of the directory's entries, which owns the descriptor; null, and errno is set,
/// if there is none.
inline UniqueDirectory directory_stream(UniqueFd fd) {
    UniqueDirectory directory(::fdopendir(fd.get()));
    if (directory) (void)fd.release();
    return directory;
}

}  // namespace secrets
