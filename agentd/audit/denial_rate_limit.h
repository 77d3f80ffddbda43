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

/// Refusals of one kind and user that are written one by one within kDenialWindow; further ones
/// are counted. Enough to see each job of an array fail, and little enough that nobody can push
/// other entries out of the log.
inline constexpr std::uint64_t kDenialBurst = 100;
inline constexpr auto kDenialWindow = std::chrono::minutes(1);

/// Kinds and users that are counted at a time. Whoever has many uids (a user namespace gives 65536)
/// could otherwise fill memory; all beyond these are counted together.
inline constexpr std::size_t kMaxDenialCounts = 4096;

/// Keeps refusals from flooding the log. Takes the time as an argument; not thread-safe.
class DenialRateLimit {
  public:
    using Time = std::chrono::steady_clock::time_point;

    /// Refusals that were not written one by one.
    struct Summary {
        Kind kind;
        std::optional<Uid> uid;  ///< nothing: of many users
        std::uint64_t count;
        std::chrono::seconds within;
    };

    /// Whether a refusal is to be written. take_ended() comes first: it ends what is over.
    bool admit(Kind kind, Uid uid, Time now);

    /// What was counted in windows that are over by `now`; each is told once.
    std::vector<Summary> take_ended(Time now);

    /// What was counted so far, over or not: for the end.
    std::vector<Summary> take_all(Time now);

    /// When take_ended() will have something to tell; nothing while every refusal was written.
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
    std::deque<Key> in_order_;  ///< of their beginning, and so of their end
    std::optional<Time> next_to_tell_;
};

}  // namespace secrets::audit
