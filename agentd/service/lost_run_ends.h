// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agentd/auth/principal.h"
#include "agentd/vault/vault.h"

namespace secrets::service {

/// A completion of a run that the vault did not have.
struct LostRunEnd {
    auth::Principal by;
    vault::Time at;
};

/// Remembers completions of runs that the vault did not have: an earlier process may have lost such
/// a run with its memory, and nodes may still hold what they were granted of it. A completion ends
/// only the runs of owners that its caller may act for, and not the wait for a push. Remembers the
/// last kMostLostRunEnds of this process. Not thread-safe.
class LostRunEnds {
  public:
    static constexpr std::size_t kMostLostRunEnds = 10'000;

    /// Beyond the limit, the oldest of the caller with the most is forgotten.
    void add(const RunId& run, const auth::Principal& by, vault::Time at);
    /// Forgets the ends of a run that exists again.
    void remove(const RunId& run);

    /// Returns who completed the run, one entry for each caller.
    std::vector<LostRunEnd> of(const RunId& run) const;

  private:
    using Caller = std::pair<std::optional<Uid>, std::string>;
    void remove(const RunId& run, const Caller& caller);

    std::map<RunId, std::map<Caller, LostRunEnd>> ends_;
    std::map<Caller, std::set<std::pair<vault::Time, RunId>>> by_time_;
    std::size_t count_ = 0;
};

}  // namespace secrets::service
