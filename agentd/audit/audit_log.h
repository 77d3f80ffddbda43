// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the agent writes down: who pushed, asked, was refused, wiped which names. Never values. Here
// is the one recorder of the process, for all who have something to say; see recorder.h for what
// each function promises.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agentd/audit/event.h"
#include "agentd/config/config.h"
#include "common/base/status.h"

namespace secrets::audit {

class Recorder;
class RecentEvents;

/// The recorder itself, for those who drive it.
Recorder& recorder();

/// To be called before anything else, and again with a new configuration. On an Status (the audit
/// file can't be opened) all goes on as before.
Status open(const Config& config);

/// Opens the audit file anew, after it was moved away. On an Status the old one is written on.
Status reopen();

/// An event that happened, or a refusal: to the log and the audit file. Never fails.
void record(const Event& event);

/// An event that is about to happen, to the audit file. On an Status it must not happen, and the
/// sentence is the reason to give.
Status write_ahead(const Event& event);

/// That an event which was written ahead just now could not be done after all: to the audit file.
void revert(const Event& event, const Status& why);

/// That an event which was written ahead has happened: to the log.
void publish(const Event& event);

/// What happens at first on trial: it is told when it lasts, and else taken back.
class PendingAudit {
  public:
    /// Calls `change`; what it tells or records meanwhile waits.
    void collect(const std::function<void()>& change);
    /// It lasts. To be called once, as the other.
    void keep();
    /// It does not: what was written ahead is taken back.
    void abandon(const Status& why);

  private:
    friend void record(const Event& event);
    friend void publish(const Event& event);
    struct Entry {
        Event event;
        bool was_written_ahead = false;
    };
    std::vector<Entry> entries_;
};

/// Something went wrong that an admin should mend.
void report_problem(std::string sentence);

/// What was in trouble works again.
void report_recovery(std::string sentence);

/// How many events of that kind there were, since the start.
std::uint64_t count_of(Kind kind);

/// What was written to the log last.
const RecentEvents& recent();

/// How many entries the log had to drop, since the start.
std::uint64_t dropped();

/// Writes what waits for the journal, as far as it is taken in a moment: before the process ends.
void finish();

}  // namespace secrets::audit
