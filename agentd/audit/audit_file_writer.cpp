// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/audit_file_writer.h"

#include <utility>

#include "agentd/audit/event_encoder.h"

namespace secrets::audit {
namespace {

std::string line_of(const Event& event) {
    return audit_file_line(event, std::chrono::system_clock::now());
}

/// Returns whether a stranger may cause any number of such events. A revocation is one: a node may
/// report grants that it never had.
bool is_limited(Kind kind) {
    return !info_of(kind).limited.empty();
}

/// Returns whether a user may cause any number of such events by requests that succeed.
bool is_change(Kind kind) {
    return kind == Kind::push || kind == Kind::set_secret || kind == Kind::rename_secret;
}

bool is_low(const AuditFile::Space& space) {
    return space.free_bytes < reserve_of(space.bytes);
}

std::string free_words(const AuditFile::Space& space) {
    return "only " + std::to_string(space.free_bytes / 1024) + " KiB of its file system are free";
}

}  // namespace

void AuditFileWriter::use(std::optional<AuditFile> file) {
    file_ = std::move(file);
    failure_ = Status();
    low_is_logged_ = false;
    next_attempt_.reset();
    if (file_) {
        // The new file may be as full as the old one; an attempt tells.
        if (missing_ > 0) next_attempt_ = Clock::now();
        return;
    }
    missing_ = 0;
    withheld_ = 0;
}

Status AuditFileWriter::reopen() {
    if (!file_) return Status();
    auto opened = AuditFile::open(file_->path());
    if (!opened) return opened.status();
    use(std::move(opened).value());
    return Status();
}

/// Remembers whether the file can be written.
Status AuditFileWriter::noted(Status outcome) {
    failure_ = outcome;
    next_attempt_.reset();
    if (!outcome.ok()) next_attempt_ = Clock::now() + kRetryAuditFile;
    return outcome;
}

/// Returns whether only the reserve is left, and logs when that changes. A failure of the last
/// write was logged already.
bool AuditFileWriter::is_low() {
    const auto space = file_->space();
    const bool low = space && audit::is_low(*space);
    if (low && !low_is_logged_ && failure_.ok()) {
        low_is_logged_ = true;
        log_({.kind = Kind::trail_failed,
              .sentence = "the audit trail " + file_->path() +
                          " is low on space: " + free_words(*space) +
                          ", which are kept for grants and wipes; denials are not written to it, "
                          "and pushes and changes of secrets are refused; free space"});
    } else if (!low && low_is_logged_) {
        low_is_logged_ = false;
        log_({.kind = Kind::mended,
              .sentence = "the audit trail " + file_->path() + " has enough space again"});
    }
    return low;
}

/// Writes how many entries the file lacks at this position.
Status AuditFileWriter::write_gap() {
    const std::uint64_t count = missing_ + withheld_;
    Event gap{.kind = Kind::trail_gap,
              .sentence = counted(count, "entry is", "entries are") +
                          " missing in the audit trail " + file_->path() +
                          " before this line, while it could not be written; they are in the "
                          "log of that time"};
    gap.count = count;
    if (Status failure = file_->append(line_of(gap)); !failure.ok()) return failure;
    missing_ = 0;
    withheld_ = 0;
    log_(gap);
    return Status();
}

Status AuditFileWriter::append(const Event& event) {
    if (missing_ > 0 || (withheld_ > 0 && !is_low())) {
        if (Status failure = noted(write_gap()); !failure.ok()) return failure;
    }
    return noted(file_->append(line_of(event)));
}

Status AuditFileWriter::write_denial(const Event& event) {
    if (is_low()) {
        ++withheld_;
        return Status();
    }
    if (missing_ + withheld_ > 0) {
        if (Status failure = noted(write_gap()); !failure.ok()) return failure;
    }
    return noted(file_->append_unsynced(line_of(event)));
}

Status AuditFileWriter::write(const Event& event) {
    if (!file_) return Status();
    if (is_limited(event.kind)) return write_denial(event);
    if (is_change(event.kind)) {
        const auto space = file_->space();
        // A full disk is reported by the write itself.
        const bool is_full = space && space->free_bytes == 0;
        if (!is_full && is_low()) {
            return Status::unavailable("cannot write the audit trail " + file_->path() + ": " +
                                       free_words(*space) +
                                       ", which are kept for grants and wipes");
        }
    }
    return append(event);
}

/// A success says nothing about a write that failed before.
Status AuditFileWriter::sync() {
    Status failure = file_ ? file_->sync() : Status();
    return failure.ok() ? failure : noted(std::move(failure));
}

std::optional<AuditFileState> AuditFileWriter::state() const {
    if (!file_) return std::nullopt;
    AuditFileState state{.file = file_->path(), .missing = missing_ + withheld_};
    if (const auto space = file_->space()) {
        state.free_bytes = space->free_bytes;
        state.is_low = audit::is_low(*space);
        if (state.is_low) {
            state.trouble = free_words(*space) +
                            ": denials are not written, and pushes and changes of secrets are "
                            "refused";
        }
    }
    state.fails = !failure_.ok();
    if (state.fails) {
        state.trouble =
            failure_.message() + "; pushes, changes of secrets, grants and completions are refused";
    }
    return state;
}

void AuditFileWriter::retry(Clock::time_point now) {
    if (!next_attempt_ || now < *next_attempt_) return;
    if (missing_ + withheld_ > 0) {
        static_cast<void>(noted(write_gap()));
        return;
    }
    const Event mended{.kind = Kind::mended,
                       .sentence = "the audit trail " + file_->path() + " can be written again"};
    if (noted(file_->append(line_of(mended))).ok()) log_(mended);
}

}  // namespace secrets::audit
