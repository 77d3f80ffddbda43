// SPDX-License-Identifier: Apache-2.0
#pragma once
// The most recent events, for clients that watch. In memory only, and bounded.

#include <cstdint>
#include <deque>

#include "agentd/audit/event.h"
#include "agentd/audit/event_encoder.h"

namespace secrets::audit {

/// Holds the last events of the log, numbered from 1 on. Not thread-safe.
class RecentEvents {
  public:
    static constexpr std::size_t kKept = 500;

    struct Entry {
        std::uint64_t number = 0;
        Time at;
        Event event;
    };

    void add(const Event& event, Time at);

    /// Returns the number of the last event; 0 if there was none.
    std::uint64_t last() const { return last_; }
    /// Returns the events. Valid until the next add().
    const std::deque<Entry>& entries() const { return entries_; }

  private:
    std::deque<Entry> entries_;
    std::uint64_t last_ = 0;
};

}  // namespace secrets::audit
