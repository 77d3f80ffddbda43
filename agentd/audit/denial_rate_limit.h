// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agentd/audit/event.h"

namespace secrets::audit {

/// The number of denials of one kind and caller that are written one by one within kDenialWindow;
/// further ones are counted. Enough to see each job of an array fail, and few enough that nobody
/// can push other entries out of the log, or fill a disk with the audit file.
inline constexpr std::uint64_t kDenialBurst = 100;
inline constexpr auto kDenialWindow = std::chrono::minutes(1);

/// The number of denials of all kinds and callers together that are written one by one within
/// kDenialWindow. A caller may have many uids: a user namespace gives 65536.
inline constexpr std::uint64_t kDenialBurstOfAll = 1000;

/// The number of kinds and callers that are counted at a time, to bound memory and the number of
/// summaries; denials beyond these are counted together.
inline constexpr std::size_t kMaxDenialCounts = 1024;

/// The caller of a denied request: a user, a caller that only has a name (a platform, by its
/// certificate), or one who is not known.
struct DeniedCaller {
    std::optional<Uid> uid{};
    std::string name{};  ///< only without a uid
    auto operator<=>(const DeniedCaller&) const = default;
};

/// Keeps denials from flooding the log and the audit file. Takes the time as an argument; not
/// thread-safe.
class DenialRateLimit {
  public:
    using Time = std::chrono::steady_clock::time_point;

    /// `of_all`: kDenialBurstOfAll, or another limit of all callers together. `callers`: how many
    /// are counted at a time.
    explicit DenialRateLimit(std::uint64_t of_all = kDenialBurstOfAll,
                             std::size_t callers = kMaxDenialCounts)
        : burst_of_all_(of_all), callers_(callers) {}

    /// Denials that were not written one by one.
    struct Summary {
        Kind kind;
        DeniedCaller caller;  ///< empty: several callers
        std::uint64_t count;
        std::chrono::seconds within;
    };

    /// Returns whether a denial is to be written. Call take_ended() first: it ends expired windows.
    bool admit(Kind kind, const DeniedCaller& caller, Time now);

    /// Returns the summaries of the windows that have ended by `now`, each of them once.
    std::vector<Summary> take_ended(Time now);

    /// Returns the summaries of all windows, ended or not: for the end of the process.
    std::vector<Summary> take_all(Time now);

    /// Returns when take_ended() will have a summary; nothing while every denial was written.
    std::optional<Time> next_to_tell() const { return next_to_tell_; }

  private:
    using Key = std::pair<Kind, DeniedCaller>;
    struct Window {
        Time begin;
        std::uint64_t written = 0;
        std::uint64_t counted = 0;
    };

    void end_first(Time now, std::vector<Summary>& summaries);
    void find_next_to_tell();
    bool has_room_for_all(Time now);

    std::uint64_t burst_of_all_;
    std::size_t callers_;
    std::map<Key, Window> windows_;
    std::deque<Key> in_order_;  ///< by their beginning, and so by their end
    std::optional<Time> next_to_tell_;
    Window all_{};
};

}  // namespace secrets::audit
