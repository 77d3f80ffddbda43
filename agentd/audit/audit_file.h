// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets::audit {

/// The audit file: lines that are on the disk when append() returns. Each is one write() at the
/// file's end. Not thread-safe.
class AuditFile {
  public:
    /// Opens the file, or makes it with mode 0600. It must be a regular file, and the last part of
    /// its path no symbolic link.
    static StatusOr<AuditFile> open(const std::string& path);

    /// Writes a line (its newline included) and waits for the disk. On an Status the line is not
    /// there in whole, or may not be after a power cut. What there is of it ends where it broke
    /// off: the next line begins a line of its own.
    Status append(std::string_view line);

    const std::string& path() const { return path_; }

  private:
    AuditFile(std::string path, UniqueFd file, bool torn)
        : path_(std::move(path)), file_(std::move(file)), torn_(torn) {}
    Status cannot_write(int error) const;

    std::string path_;
    UniqueFd file_;
    bool torn_ = false;  ///< the file does not end with a newline
};

}  // namespace secrets::audit
