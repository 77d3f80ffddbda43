// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agentd/audit/audit_file_writer.h"
#include "agentd/audit/denial_rate_limit.h"
#include "agentd/audit/event.h"
#include "agentd/audit/journal_sink.h"
#include "agentd/audit/recent_events.h"
#include "agentd/config/config.h"

namespace secrets::audit {

/// The most nodes whose revocations are counted apart: no fewer than a cluster may have.
inline constexpr std::size_t kMaxNodes = 65536;

/// Writes events to the log, which is the journal or standard error, and to the audit file if one
/// is configured. Before open(), every event goes to standard error. Writing to the journal never
/// blocks; the audit file waits for the disk unless the event is a denial, and standard error waits
/// for its reader. Denials beyond a rate are only counted, and then summed up in both. Not
/// thread-safe.
class Recorder {
  public:
    using Clock = std::chrono::steady_clock;

    explicit Recorder(std::string journal_socket = kJournalSocket);
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    /// Applies the configuration, also at a reload. Opens the audit file anew, which is how it is
    /// rotated. If that fails, nothing has changed.
    Status open(const Config& config);

    /// Opens the audit file anew. If that fails, the open one stays in use.
    Status reopen();

    /// Writes an event that is about to happen to the audit file. If that fails, the event must not
    /// happen. After it has happened, publish() writes it to the log.
    Status write_ahead(const Event& event);

    /// Writes to the audit file that the event which was just written ahead did not happen, and
    /// why. The log needs no such entry: it has none of the event.
    void revert(const Event& event, const Status& why);

    /// Writes an event to the log only.
    void publish(const Event& event);

    /// Writes an event that has happened to the log and the audit file. If the audit file cannot be
    /// written, the log has the event all the same, with a complaint, and the audit file later has
    /// an entry with the number of missing ones.
    void record(const Event& event);

    /// Waits until all denials and revocations in the audit file are on the disk.
    void sync();

    /// Returns the state of the audit file; nothing if none is configured.
    std::optional<AuditFileState> audit_file_state() const { return audit_file_.state(); }

    /// Returns the number of entries that the log had to drop so far.
    std::uint64_t dropped() const { return journal_.dropped(); }

    /// Returns the number of events of that kind, whether or not the log shows each.
    std::uint64_t count_of(Kind kind) const { return counts_[static_cast<std::size_t>(kind)]; }

    /// Returns the last events that were written to the log.
    const RecentEvents& recent() const { return recent_; }

    /// Does the work that is due: sends queued entries, sums up denials, retries the audit file.
    void work(Clock::time_point now);

    /// Returns when work() is next due; nothing if there is no work. `notify` is called when that
    /// time becomes earlier.
    std::optional<Clock::time_point> next_work() const;
    void on_work(std::function<void()> notify) { on_work_ = std::move(notify); }

    /// Sends queued entries within a fraction of a second: for the end of the process.
    void finish();

  private:
    void write_to_log(const Event& event);
    void count_and_log(const Event& event);
    bool admit(const Event& event, Clock::time_point now);
    void write_to_both(const Event& event);
    void complain(const Event& event, const Status& why);
    void sum_up_ended(Clock::time_point now);
    void sum_up_all(Clock::time_point now);
    void sum_up(const std::vector<DenialRateLimit::Summary>& summaries);
    void schedule(Clock::time_point now);

    std::shared_ptr<spdlog::logger> standard_error_;
    bool to_journal_ = false;
    Level least_ = Level::info;
    JournalSink journal_;
    RecentEvents recent_;
    std::array<std::uint64_t, kKindCount> counts_{};
    AuditFileWriter audit_file_{[this](const Event& event) { count_and_log(event); }};
    DenialRateLimit refusals_;
    /// Limited for each node: the end of one run may revoke a grant on each of thousands.
    DenialRateLimit revocations_{UINT64_MAX, kMaxNodes};
    std::optional<Clock::time_point> next_attempt_;  ///< to send queued entries to the journal
    std::function<void()> on_work_ = [] {};
};

}  // namespace secrets::audit
