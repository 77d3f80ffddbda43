// SPDX-License-Identifier: Apache-2.0
#pragma once
// Records pushes, grants, denials and wipes, with callers and names of secrets, and never values.
// The functions call the one recorder of the process, for all of its code; recorder.h documents
// what each of them guarantees.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agentd/audit/audit_file_state.h"
#include "agentd/audit/event.h"
#include "agentd/config/config.h"
#include "common/base/status.h"

namespace secrets::audit {

class Recorder;
class RecentEvents;

/// Returns the recorder itself, for the code that drives it.
Recorder& recorder();

/// Opens the log and the audit file. To be called before anything else, and again with a new
/// configuration. If the audit file cannot be opened, the previous configuration stays in use.
Status open(const Config& config);

/// Opens the audit file anew, after it was moved away. If that fails, the old one stays in use.
Status reopen();

/// Writes an event that happened, or a denial, to the log and the audit file. Never fails. Denials
/// beyond a rate are counted, and summed up in both.
void record(const Event& event);

/// Waits until all denials and revocations in the audit file are on the disk.
void sync();

/// Writes an event that is about to happen to the audit file. If that fails, the event must not
/// happen, and the Status has the reason to report.
Status write_ahead(const Event& event);

/// Writes to the audit file that an event which was just written ahead could not be done after all.
void revert(const Event& event, const Status& why);

/// Writes to the log that an event which was written ahead has happened.
void publish(const Event& event);

/// Holds the events of a tentative change: they are published if the change lasts, and else
/// reverted.
class PendingAudit {
  public:
    PendingAudit() = default;
    PendingAudit(PendingAudit&&) = default;
    PendingAudit& operator=(PendingAudit&&) = default;
    PendingAudit(const PendingAudit&) = delete;
    PendingAudit& operator=(const PendingAudit&) = delete;
    /// Says of events that are still held that they may have happened: an exception ended the
    /// change.
    ~PendingAudit();

    /// Calls `change`, and holds the events that it records or publishes meanwhile.
    void collect(const std::function<void()>& change);
    /// Records or publishes the held events: the change lasts. Call this or abandon(), and once.
    void keep();
    /// Reverts the held events that were written ahead: the change does not last.
    void abandon(const Status& why);
    /// Records that it is unknown whether the held events that were written ahead have happened, or
    /// yet will. They stay held: keep() or abandon() follows once that is known, if ever.
    void note_unknown(const Status& why);

  private:
    friend void record(const Event& event);
    friend void publish(const Event& event);
    struct Entry {
        Event event;
        bool was_written_ahead = false;
    };
    std::vector<Entry> entries_;
    bool is_noted_ = false;
};

/// Records a problem that an admin should fix.
void report_problem(std::string sentence);

/// Records that a reported problem has ended.
void report_recovery(std::string sentence);

/// Returns the number of events of that kind since the start.
std::uint64_t count_of(Kind kind);

/// Returns the last events that were written to the log.
const RecentEvents& recent();

/// Returns the state of the audit file; nothing if none is configured.
std::optional<AuditFileState> audit_file_state();

/// Returns the number of entries that the log had to drop since the start.
std::uint64_t dropped();

/// Sends queued entries to the journal, as far as it accepts them in a moment. To be called before
/// the process ends.
void finish();

}  // namespace secrets::audit
