// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/recorder.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>

#include "agentd/audit/event_encoder.h"

namespace secrets::audit {
namespace {

/// How long queued entries wait before the next attempt: with a journal that accepts none, and with
/// one that does, whose socket holds 10 to 512 at a time (net.unix.max_dgram_qlen).
constexpr auto kRetry = std::chrono::milliseconds(100);
constexpr auto kRetrySoon = std::chrono::milliseconds(5);

/// How long the journal has at the end to accept queued entries. Every secret is wiped by then.
constexpr auto kLastPatience = std::chrono::milliseconds(200);

Time now() {
    return std::chrono::system_clock::now();
}

bool is_journal(LogTarget target) {
    return target == LogTarget::journal ||
           (target == LogTarget::automatic && stderr_is_the_journal());
}

/// `word` is one that the configuration accepts for log.level.
Level level_of(const std::string& word) {
    if (word == "debug") return Level::debug;
    if (word == "warn") return Level::warning;
    if (word == "error") return Level::error;
    return Level::info;
}

spdlog::level::level_enum for_spdlog(Level level) {
    switch (level) {
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warning:
            return spdlog::level::warn;
        case Level::error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::string entry_of_dropped(std::uint64_t count) {
    Event event{.kind = Kind::dropped,
                .sentence = "dropped " + counted(count, "log entry", "log entries") +
                            ": the journal was too slow"};
    event.count = count;
    return journal_entry(event, now());
}

/// Returns the denied user: the caller of the request, or the user of the job that requested a
/// grant.
std::optional<Uid> refused_user(const Event& event) {
    if (info_of(event.kind).refused.empty()) return std::nullopt;
    if (event.caller) return event.caller->uid;
    return event.owner ? std::optional(event.owner->uid) : std::nullopt;
}

Event event_of(const DenialRateLimit::Summary& summary) {
    const std::string whose =
        summary.uid ? "uid " + std::to_string(summary.uid->value) : "other users";
    const std::string within =
        summary.within >= kDenialWindow
            ? "minute"
            : counted(static_cast<std::uint64_t>(summary.within.count()), "second", "seconds");
    Event event{.kind = summary.kind,
                .sentence = "... and " + std::to_string(summary.count) + " more " +
                            std::string(info_of(summary.kind).refused) + " of " + whose +
                            " were refused in the last " + within};
    if (summary.uid) event.caller = Account{*summary.uid, ""};
    event.count = summary.count;
    return event;
}

}  // namespace

Recorder::Recorder(std::string journal_socket)
    : standard_error_(std::make_shared<spdlog::logger>(
          "slurm-secretsd", std::make_shared<spdlog::sinks::stderr_sink_st>())),
      journal_(std::move(journal_socket), entry_of_dropped) {
    standard_error_->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l: %v");
    standard_error_->set_level(spdlog::level::trace);  // write_to_log() decides
    standard_error_->flush_on(spdlog::level::trace);
}

Status Recorder::open(const Config& config) {
    std::optional<AuditFile> trail;
    if (!config.audit_file.empty()) {
        auto opened = AuditFile::open(config.audit_file);
        if (!opened) return opened.status();
        trail = std::move(opened).value();
    }
    trail_ = std::move(trail);
    if (!trail_) missing_on_trail_ = 0;
    to_journal_ = is_journal(config.log_target);
    least_ = level_of(config.log_level);
    return Status();
}

Status Recorder::reopen() {
    if (!trail_) return Status();
    auto opened = AuditFile::open(trail_->path());
    if (!opened) return opened.status();
    trail_ = std::move(opened).value();
    return Status();
}

/// Writes an event to the audit file. Before it, reports events that are missing at that position.
Status Recorder::put_on_trail(const Event& event) {
    if (!trail_) return Status();
    if (missing_on_trail_ > 0) {
        Event gap{.kind = Kind::trail_gap,
                  .sentence = counted(missing_on_trail_, "entry is", "entries are") +
                              " missing in the audit trail " + trail_->path() +
                              " before this line, while it could not be written; they are in the "
                              "log of that time"};
        gap.count = missing_on_trail_;
        if (Status failure = trail_->append(audit_file_line(gap, now())); !failure.ok())
            return failure;
        missing_on_trail_ = 0;
        put_in_log(gap);
    }
    return trail_->append(audit_file_line(event, now()));
}

Status Recorder::write_ahead(const Event& event) {
    return put_on_trail(event);
}

void Recorder::revert(const Event& event, const Status& why) {
    Event undone = event;
    undone.kind = Kind::undone;
    undone.sentence = "reverted: " + event.sentence + ": " + why.message();
    undone.reason = why.message();
    const Status failure = put_on_trail(undone);
    if (failure.ok()) return;
    ++missing_on_trail_;
    complain(undone, failure);
}

void Recorder::publish(const Event& event) {
    put_in_log(event);
}

void Recorder::record(const Event& event) {
    const Status failure = put_on_trail(event);
    if (!failure.ok()) ++missing_on_trail_;
    const bool is_in_log = put_in_log(event);
    // A denial for that very reason has reported it already.
    if (!failure.ok() && is_in_log && event.reason != failure.message()) complain(event, failure);
}

/// Logs that an event is missing on the audit file.
void Recorder::complain(const Event& event, const Status& why) {
    put_in_log({.kind = Kind::trail_failed,
                .sentence = why.message() + "; missing entry: " + event.sentence});
}

/// Logs an event. Returns whether the log may show it: false for a denial that is only counted.
bool Recorder::put_in_log(const Event& event) {
    ++counts_[static_cast<std::size_t>(event.kind)];
    const auto time = Clock::now();
    sum_up(refusals_.take_ended(time));
    const auto user = refused_user(event);
    const bool admitted = !user || refusals_.admit(event.kind, *user, time);
    if (admitted) write_to_log(event);
    schedule(time);
    return admitted;
}

void Recorder::write_to_log(const Event& event) {
    const Level level = info_of(event.kind).level;
    if (level < least_) return;
    recent_.add(event, now());
    if (to_journal_) {
        journal_.send(journal_entry(event, now()));
    } else {
        standard_error_->log(for_spdlog(level), "{}", event.sentence);
    }
}

void Recorder::sum_up(const std::vector<DenialRateLimit::Summary>& summaries) {
    for (const DenialRateLimit::Summary& summary : summaries) write_to_log(event_of(summary));
}

void Recorder::schedule(Clock::time_point time) {
    if (!journal_.waits()) {
        next_attempt_.reset();
    } else if (!next_attempt_) {
        next_attempt_ = time + kRetry;
    }
    if (next_work()) on_work_();
}

std::optional<Recorder::Clock::time_point> Recorder::next_work() const {
    const auto summary = refusals_.next_to_tell();
    if (!next_attempt_ || !summary) return next_attempt_ ? next_attempt_ : summary;
    return std::min(*next_attempt_, *summary);
}

void Recorder::work(Clock::time_point time) {
    sum_up(refusals_.take_ended(time));
    if (next_attempt_ && *next_attempt_ <= time) {
        const bool took_some = journal_.drain();
        next_attempt_.reset();
        if (took_some && journal_.waits()) next_attempt_ = time + kRetrySoon;
    }
    schedule(time);
}

void Recorder::finish() {
    sum_up(refusals_.take_all(Clock::now()));
    journal_.drain_within(kLastPatience);
}

}  // namespace secrets::audit
