// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "agentd/audit/audit_file.h"
#include "agentd/audit/audit_file_state.h"
#include "agentd/audit/event.h"

namespace secrets::audit {

/// The part of a file system that only grants, completions, wipes and the agent's own events may
/// use. Users can cause any number of denials and changes: these are no longer written when only
/// the reserve is left, so that a user can never stop other users' jobs. 64 MiB are 200,000 grants.
constexpr std::uint64_t reserve_of(std::uint64_t file_system_bytes) {
    constexpr std::uint64_t kMost = 64 * 1024 * 1024;
    return std::min(kMost, file_system_bytes / 4);
}

/// The delay before the agent itself checks whether a file that failed can be written again.
inline constexpr auto kRetryAuditFile = std::chrono::seconds(10);

/// Decides what is written to the audit file and how, and counts what the file lacks. Without a
/// file, every write succeeds. Not thread-safe.
class AuditFileWriter {
  public:
    using Clock = std::chrono::steady_clock;

    /// `log` takes the writer's own events, which only the log can have while the file fails.
    explicit AuditFileWriter(std::function<void(const Event&)> log) : log_(std::move(log)) {}

    /// Writes to this file from now on; nothing: to none.
    void use(std::optional<AuditFile> file);

    /// Opens the file anew. If that fails, the open one stays in use.
    Status reopen();

    /// Writes an event, after an entry about those that the file lacks at that position, and waits
    /// for the disk. A denial is written without waiting, and only counted if the space is low.
    Status write(const Event& event);

    /// Waits until the denials that were written are on the disk.
    Status sync();

    /// Counts an event that happened although write() failed.
    void count_missing() { ++missing_; }

    /// Returns nothing if no file is configured.
    std::optional<AuditFileState> state() const;

    /// Returns when retry() is due; nothing while the file can be written.
    std::optional<Clock::time_point> next_attempt() const { return next_attempt_; }
    void retry(Clock::time_point now);

  private:
    Status append(const Event& event);
    Status write_denial(const Event& event);
    Status write_gap();
    Status noted(Status outcome);
    bool is_low();

    std::function<void(const Event&)> log_;
    std::optional<AuditFile> file_;
    std::uint64_t missing_ = 0;   ///< events that happened and could not be written
    std::uint64_t withheld_ = 0;  ///< denials that were not written, because the space is low
    bool low_is_logged_ = false;
    Status failure_;  ///< of the last write
    std::optional<Clock::time_point> next_attempt_;
};

}  // namespace secrets::audit
