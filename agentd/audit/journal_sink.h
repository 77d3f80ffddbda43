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

/// Entries that may wait for the journal, and their bytes. A node that starts a hundred steps a
/// second fills them in a minute and a half, far longer than a restart of journald takes; the bytes
/// are locked memory, so that they stay small beside the secrets'.
inline constexpr std::size_t kMaxWaitingEntries = 8192;
inline constexpr std::size_t kMaxWaitingBytes = 4 * 1024 * 1024;

/// Whether standard error is the journal's stream that systemd gave us (sd_journal_stream_fd(3)).
bool stderr_is_the_journal();

/// Sends entries to the journal and never waits for it. sd_journal_send() blocks for ever on a
/// stalled journald, and tells nobody that an entry was lost because none was there. What can't be
/// sent at once (the journal is slow, stalled or being restarted) waits here; what finds no room is
/// dropped and counted. Entries arrive in their order. Not thread-safe.
class JournalSink {
  public:
    /// Makes the entry that says how many were dropped; it is sent where they are missing, once
    /// half of the room is free again.
    using TellDropped = std::function<std::string(std::uint64_t count)>;

    JournalSink(std::string path, TellDropped tell_dropped)
        : path_(std::move(path)), tell_dropped_(std::move(tell_dropped)) {}

    void send(std::string entry);

    /// Sends what waits, as far as the journal takes it at once; whether it took anything.
    bool drain();

    /// The same, but gives the journal up to `time` to take it all: for the end, when nothing else
    /// is left to do.
    void drain_within(std::chrono::milliseconds time);

    /// Whether drain() has something to do.
    bool waits() const { return !waiting_.empty() || untold_ > 0; }

    /// How many entries were dropped, ever.
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
    std::uint64_t untold_ = 0;  ///< of these, how many no entry tells of yet
};

}  // namespace secrets::audit
