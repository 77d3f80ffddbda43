// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agentd/audit/audit_file.h"
#include "agentd/audit/denial_rate_limit.h"
#include "agentd/audit/event.h"
#include "agentd/audit/journal_sink.h"
#include "agentd/audit/recent_events.h"
#include "agentd/config/config.h"

namespace secrets::audit {

/// Writes events down: to the log, which is the journal or standard error, and to the audit file
/// where one is configured. Before open() all goes to standard error. Writing to the journal never
/// blocks; the audit file waits for the disk, and standard error for whoever reads it. Not
/// thread-safe.
class Recorder {
  public:
    using Clock = std::chrono::steady_clock;

    explicit Recorder(std::string journal_socket = kJournalSocket);

    /// Goes on as the configuration says; at a reload again. The audit file is opened anew, which
    /// is how it is rotated. On an Status nothing has changed.
    Status open(const Config& config);

    /// Opens the audit file anew. On an Status the one that was open is kept.
    Status reopen();

    /// Puts an event that is about to happen on the audit file. On an Status it must not happen.
    /// When it has happened, tell() says so in the log.
    Status write_ahead(const Event& event);

    /// Says on the audit file that the event which was written ahead just now did not happen, and
    /// why. The log needs no such word: it was told nothing.
    void revert(const Event& event, const Status& why);

    /// Writes an event to the log alone.
    void publish(const Event& event);

    /// Writes an event that has happened to both. One that the audit file can't take is in the log
    /// all the same, with a complaint; the audit file says later how many it lacks.
    void record(const Event& event);

    /// How many entries the log had to drop, ever.
    std::uint64_t dropped() const { return journal_.dropped(); }

    /// How many events of that kind there were, whether or not the log shows each.
    std::uint64_t count_of(Kind kind) const { return counts_[static_cast<std::size_t>(kind)]; }

    /// What was written to the log last.
    const RecentEvents& recent() const { return recent_; }

    /// Does what has become due: sends entries that wait, sums up refusals.
    void work(Clock::time_point now);

    /// When work() is next due; nothing while nothing waits. `notify` is called when that becomes
    /// earlier.
    std::optional<Clock::time_point> next_work() const;
    void on_work(std::function<void()> notify) { on_work_ = std::move(notify); }

    /// Writes what waits, within a fraction of a second: for the end.
    void finish();

  private:
    void write_to_log(const Event& event);
    bool put_in_log(const Event& event);
    Status put_on_trail(const Event& event);
    void complain(const Event& event, const Status& why);
    void sum_up(const std::vector<DenialRateLimit::Summary>& summaries);
    void schedule(Clock::time_point now);

    std::shared_ptr<spdlog::logger> standard_error_;
    bool to_journal_ = false;
    Level least_ = Level::info;
    JournalSink journal_;
    RecentEvents recent_;
    std::array<std::uint64_t, kKindCount> counts_{};
    std::optional<AuditFile> trail_;
    std::uint64_t missing_on_trail_ = 0;  ///< events that happened and could not be put there
    DenialRateLimit refusals_;
    std::optional<Clock::time_point> next_attempt_;  ///< to send what waits for the journal
    std::function<void()> on_work_ = [] {};
};

}  // namespace secrets::audit
