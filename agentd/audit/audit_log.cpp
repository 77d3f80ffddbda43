// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/audit_log.h"

#include <utility>

#include "agentd/audit/recorder.h"
#include "agentd/base/scope_exit.h"

namespace secrets::audit {
namespace {

/// The PendingAudit that collects events at present; null if none does.
PendingAudit* collecting = nullptr;

}  // namespace

Recorder& recorder() {
    static Recorder the_one;
    return the_one;
}

Status open(const Config& config) {
    return recorder().open(config);
}

Status reopen() {
    return recorder().reopen();
}

void record(const Event& event) {
    if (collecting != nullptr) return collecting->entries_.push_back({event, false});
    recorder().record(event);
}

void sync() {
    recorder().sync();
}

Status write_ahead(const Event& event) {
    return recorder().write_ahead(event);
}

void revert(const Event& event, const Status& why) {
    recorder().revert(event, why);
}

void publish(const Event& event) {
    if (collecting != nullptr) return collecting->entries_.push_back({event, true});
    recorder().publish(event);
}

void PendingAudit::collect(const std::function<void()>& change) {
    collecting = this;
    const ScopeExit stop([] { collecting = nullptr; });
    change();
}

void PendingAudit::keep() {
    for (const Entry& entry : std::exchange(entries_, {})) {
        if (entry.was_written_ahead) {
            recorder().publish(entry.event);
        } else {
            recorder().record(entry.event);
        }
    }
}

void PendingAudit::abandon(const Status& why) {
    for (const Entry& entry : std::exchange(entries_, {})) {
        if (entry.was_written_ahead) recorder().revert(entry.event, why);
    }
}

void PendingAudit::note_unknown(const Status& why) {
    is_noted_ = true;
    for (const Entry& entry : entries_) {
        if (!entry.was_written_ahead) continue;
        report_problem("cannot tell whether this happened: " + entry.event.sentence + ": " +
                       why.message());
    }
}

PendingAudit::~PendingAudit() {
    if (is_noted_) return;
    try {
        note_unknown(Status::failed("an internal error interrupted the change"));
    } catch (const std::exception&) {  // there is no memory to say it
    }
}

void report_problem(std::string sentence) {
    recorder().record({.kind = Kind::trouble, .sentence = std::move(sentence)});
}

void report_recovery(std::string sentence) {
    recorder().record({.kind = Kind::mended, .sentence = std::move(sentence)});
}

std::uint64_t count_of(Kind kind) {
    return recorder().count_of(kind);
}

const RecentEvents& recent() {
    return recorder().recent();
}

std::optional<AuditFileState> audit_file_state() {
    return recorder().audit_file_state();
}

std::uint64_t dropped() {
    return recorder().dropped();
}

void finish() {
    recorder().finish();
}

}  // namespace secrets::audit
