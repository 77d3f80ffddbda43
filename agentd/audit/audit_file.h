// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets::audit {

/// The audit file. A line is one write() at the file's end. Not thread-safe.
class AuditFile {
  public:
    /// Opens the file, or creates it with mode 0600. The file must be a regular one, and the last
    /// part of its path must not be a symbolic link.
    static StatusOr<AuditFile> open(const std::string& path);

    /// Writes a line (including its newline) and waits for the disk. If that fails, the line is
    /// incomplete in the file, or may be after a power cut. The next line begins after a newline of
    /// its own.
    Status append(std::string_view line);

    /// As append(), without waiting for the disk: a power cut may lose the line until sync().
    Status append_unsynced(std::string_view line);
    /// Waits for the disk if there are lines that it may lack.
    Status sync();

    /// The space of the file system that the file is in.
    struct Space {
        std::uint64_t free_bytes = 0;  ///< as far as this process may use them
        std::uint64_t bytes = 0;
    };
    /// Returns nothing if the file system does not say.
    std::optional<Space> space() const;

    const std::string& path() const { return path_; }

  private:
    AuditFile(std::string path, UniqueFd file, bool torn)
        : path_(std::move(path)), file_(std::move(file)), torn_(torn) {}
    Status cannot_write(int error) const;

    std::string path_;
    UniqueFd file_;
    bool torn_ = false;  ///< the file does not end with a newline
    bool is_synced_ = true;
};

}  // namespace secrets::audit
