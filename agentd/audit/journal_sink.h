// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "common/base/unique_fd.h"

namespace secrets::audit {

inline constexpr const char* kJournalSocket = "/run/systemd/journal/socket";

/// The limits of the queue for the journal, in entries and in bytes. A node that starts a hundred
/// steps a second fills it in a minute and a half, far longer than a restart of journald takes. The
/// bytes are locked memory, and so must stay few beside those of secrets.
inline constexpr std::size_t kMaxWaitingEntries = 8192;
inline constexpr std::size_t kMaxWaitingBytes = 4 * 1024 * 1024;

/// Returns whether standard error is the journal's stream that systemd passed
/// (sd_journal_stream_fd(3)).
bool stderr_is_the_journal();

/// Sends entries to the journal and never waits for it. sd_journal_send() blocks for ever on a
/// stalled journald, and does not report an entry that was lost because there was no journald. An
/// entry that cannot be sent at once (the journal is slow, stalled or being restarted) is queued;
/// an entry that finds no room is dropped and counted. Entries arrive in order. Not thread-safe.
class JournalSink {
  public:
    /// Formats the entry that reports `count` dropped entries. It is sent at their position, once
    /// half of the queue is free again.
    using TellDropped = std::function<std::string(std::uint64_t count)>;

    JournalSink(std::string path, TellDropped tell_dropped)
        : path_(std::move(path)), tell_dropped_(std::move(tell_dropped)) {}

    void send(std::string entry);

    /// Sends queued entries, as far as the journal accepts them at once. Returns whether it
    /// accepted any.
    bool drain();

    /// Drains the queue, and gives the journal up to `time` to accept all entries: for the end,
    /// when nothing else is left to do.
    void drain_within(std::chrono::milliseconds time);

    /// Returns whether drain() has something to do.
    bool waits() const { return !waiting_.empty() || untold_ > 0; }

    /// Returns the number of entries dropped so far.
    std::uint64_t dropped() const { return dropped_; }

  private:
    enum class Outcome { sent, later, never };
    Outcome try_to_send(const std::string& entry);
    bool connect();
    bool has_room_for(const std::string& entry) const;
    void put_in_line(std::string entry);
    void drop();
    void tell_what_was_dropped();

    std::string path_;
    TellDropped tell_dropped_;
    UniqueFd socket_;  ///< connected, or none
    std::deque<std::string> waiting_;
    std::size_t waiting_bytes_ = 0;
    std::uint64_t dropped_ = 0;
    std::uint64_t untold_ = 0;  ///< of these, the number that no entry has reported yet
};

}  // namespace secrets::audit
