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

/// Returns for whom an event is limited: the caller of a denied request, the user of the job that
/// was denied a grant, or the node of a revocation. Nothing for an event that is not limited.
std::optional<DeniedCaller> limited_caller(const Event& event) {
    if (info_of(event.kind).limited.empty()) return std::nullopt;
    const std::optional<Account>& account = event.caller ? event.caller : event.owner;
    if (!account) return DeniedCaller{};
    return DeniedCaller{account->uid, account->uid ? "" : account->name};
}

std::string words_for(const DeniedCaller& caller) {
    if (caller.uid) return "uid " + std::to_string(caller.uid->value);
    return caller.name.empty() ? "other callers" : caller.name;
}

Event event_of(const DenialRateLimit::Summary& summary) {
    const std::string within =
        summary.within >= kDenialWindow
            ? "minute"
            : counted(static_cast<std::uint64_t>(summary.within.count()), "second", "seconds");
    const KindInfo& kind = info_of(summary.kind);
    Event event{.kind = summary.kind,
                .sentence = "... and " + std::to_string(summary.count) + " more " +
                            std::string(kind.limited) + " of " + words_for(summary.caller) +
                            " were " + std::string(kind.action) + "d in the last " + within};
    if (summary.caller != DeniedCaller{}) {
        event.caller = Account{summary.caller.uid, summary.caller.name};
    }
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
    std::optional<AuditFile> file;
    if (!config.audit_file.empty()) {
        auto opened = AuditFile::open(config.audit_file);
        if (!opened) return opened.status();
        file = std::move(opened).value();
    }
    audit_file_.use(std::move(file));
    to_journal_ = is_journal(config.log_target);
    least_ = level_of(config.log_level);
    schedule(Clock::now());
    return Status();
}

Status Recorder::reopen() {
    Status failure = audit_file_.reopen();
    schedule(Clock::now());
    return failure;
}

Status Recorder::write_ahead(const Event& event) {
    Status failure = audit_file_.write(event);
    schedule(Clock::now());
    return failure;
}

void Recorder::revert(const Event& event, const Status& why) {
    Event undone = event;
    undone.kind = Kind::undone;
    undone.sentence = "reverted: " + event.sentence + ": " + why.message();
    undone.reason = why.message();
    const Status failure = audit_file_.write(undone);
    if (!failure.ok()) {
        audit_file_.count_missing();
        complain(undone, failure);
    }
    schedule(Clock::now());
}

void Recorder::publish(const Event& event) {
    const auto time = Clock::now();
    if (admit(event, time)) write_to_log(event);
    schedule(time);
}

void Recorder::record(const Event& event) {
    const auto time = Clock::now();
    // What was counted until the agent's end comes before its last entry.
    if (event.kind == Kind::stop) sum_up_all(time);
    if (admit(event, time)) write_to_both(event);
    schedule(time);
}

void Recorder::write_to_both(const Event& event) {
    const Status failure = audit_file_.write(event);
    if (!failure.ok()) audit_file_.count_missing();
    write_to_log(event);
    // A denial for that very reason has reported it already.
    if (!failure.ok() && event.reason != failure.message()) complain(event, failure);
}

/// Logs that an event is missing on the audit file.
void Recorder::complain(const Event& event, const Status& why) {
    count_and_log({.kind = Kind::trail_failed,
                   .sentence = why.message() + "; missing entry: " + event.sentence});
}

/// Counts an event, and sums up the denials of windows that have ended. Returns whether the event
/// is to be written: false for a denial that is only counted.
bool Recorder::admit(const Event& event, Clock::time_point time) {
    ++counts_[static_cast<std::size_t>(event.kind)];
    sum_up_ended(time);
    const auto caller = limited_caller(event);
    if (!caller) return true;
    DenialRateLimit& limit = event.kind == Kind::revoke ? revocations_ : refusals_;
    return limit.admit(event.kind, *caller, time);
}

void Recorder::count_and_log(const Event& event) {
    ++counts_[static_cast<std::size_t>(event.kind)];
    write_to_log(event);
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
    for (const DenialRateLimit::Summary& summary : summaries) write_to_both(event_of(summary));
}

void Recorder::sum_up_ended(Clock::time_point time) {
    sum_up(refusals_.take_ended(time));
    sum_up(revocations_.take_ended(time));
}

void Recorder::sum_up_all(Clock::time_point time) {
    sum_up(refusals_.take_all(time));
    sum_up(revocations_.take_all(time));
}

void Recorder::sync() {
    const Status failure = audit_file_.sync();
    if (failure.ok()) return;
    count_and_log({.kind = Kind::trail_failed, .sentence = failure.message()});
    schedule(Clock::now());
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
    std::optional<Clock::time_point> first;
    for (const auto& due : {next_attempt_, refusals_.next_to_tell(), revocations_.next_to_tell(),
                            audit_file_.next_attempt()}) {
        if (due && (!first || *due < *first)) first = due;
    }
    return first;
}

void Recorder::work(Clock::time_point time) {
    sum_up_ended(time);
    audit_file_.retry(time);
    if (next_attempt_ && *next_attempt_ <= time) {
        const bool took_some = journal_.drain();
        next_attempt_.reset();
        if (took_some && journal_.waits()) next_attempt_ = time + kRetrySoon;
    }
    schedule(time);
}

void Recorder::finish() {
    sum_up_all(Clock::now());
    journal_.drain_within(kLastPatience);
}

}  // namespace secrets::audit
