// SPDX-License-Identifier: Apache-2.0
#pragma once
// Encodes an event for the journal and for the audit file: the same fields in two formats.

#include <chrono>
#include <string>

#include "agentd/audit/event.h"

namespace secrets::audit {

/// The time of an event.
using Time = std::chrono::system_clock::time_point;

/// Returns the time as in RFC 3339, in UTC, with microseconds.
std::string time_text(Time time);

/// Returns a datagram of the journal's native protocol, as systemd's JOURNAL_NATIVE_PROTOCOL
/// describes it.
std::string journal_entry(const Event& event, Time time);

/// Returns a line of JSON, whose only newline is at its end.
std::string audit_file_line(const Event& event, Time time);

}  // namespace secrets::audit
