// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "agentd/audit/event.h"

namespace secrets::audit {

/// The number of denials of one kind and user that are logged one by one within kDenialWindow;
/// further ones are counted. Enough to see each job of an array fail, and few enough that nobody
/// can push other entries out of the log.
inline constexpr std::uint64_t kDenialBurst = 100;
inline constexpr auto kDenialWindow = std::chrono::minutes(1);

/// The number of kinds and users that are counted at a time. A caller with many uids (a user
/// namespace gives 65536) could otherwise fill memory; denials beyond these are counted together.
inline constexpr std::size_t kMaxDenialCounts = 4096;

/// Keeps denials from flooding the log. Takes the time as an argument; not thread-safe.
class DenialRateLimit {
  public:
    using Time = std::chrono::steady_clock::time_point;

    /// Denials that were not logged one by one.
    struct Summary {
        Kind kind;
        std::optional<Uid> uid;  ///< empty: many users
        std::uint64_t count;
        std::chrono::seconds within;
    };

    /// Returns whether a denial is to be logged. Call take_ended() first: it ends expired windows.
    bool admit(Kind kind, Uid uid, Time now);

    /// Returns the summaries of the windows that have ended by `now`, each of them once.
    std::vector<Summary> take_ended(Time now);

    /// Returns the summaries of all windows, ended or not: for the end of the process.
    std::vector<Summary> take_all(Time now);

    /// Returns when take_ended() will have a summary; nothing while every denial was logged.
    std::optional<Time> next_to_tell() const { return next_to_tell_; }

  private:
    using Key = std::pair<Kind, std::optional<Uid>>;
    struct Window {
        Time begin;
        std::uint64_t refusals = 0;
    };

    void end_first(Time now, std::vector<Summary>& summaries);
    void find_next_to_tell();

    std::map<Key, Window> windows_;
    std::deque<Key> in_order_;  ///< by their beginning, and so by their end
    std::optional<Time> next_to_tell_;
};

}  // namespace secrets::audit
