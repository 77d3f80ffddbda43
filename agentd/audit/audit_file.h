// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets::audit {

/// The audit file. A line is on the disk when append() returns, and is one write() at the file's
/// end. Not thread-safe.
class AuditFile {
  public:
    /// Opens the file, or creates it with mode 0600. The file must be a regular one, and the last
    /// part of its path must not be a symbolic link.
    static StatusOr<AuditFile> open(const std::string& path);

    /// Writes a line (including its newline) and waits for the disk. If that fails, the line is
    /// incomplete in the file, or may be after a power cut. The next line begins after a newline of
    /// its own.
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
