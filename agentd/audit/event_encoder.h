// SPDX-License-Identifier: Apache-2.0
#pragma once
// An event as the journal takes it and as it stands in the audit file: the same fields in two
// forms.

#include <chrono>
#include <string>

#include "agentd/audit/event.h"

namespace secrets::audit {

/// When something happened.
using Time = std::chrono::system_clock::time_point;

/// RFC 3339 in UTC, with microseconds.
std::string time_text(Time time);

/// A datagram of the journal's native protocol, as systemd's JOURNAL_NATIVE_PROTOCOL describes it.
std::string journal_entry(const Event& event, Time time);

/// A line of JSON, with its newline at the end and no other.
std::string audit_file_line(const Event& event, Time time);

}  // namespace secrets::audit
