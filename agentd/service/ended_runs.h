// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "agentd/vault/vault.h"

namespace secrets::service {

/// The end of a run. Contains no value.
struct EndedRun {
    vault::RunHead head;
    vault::Time at;
    std::string how;  ///< "expired", "was completed by alice"
};

/// Remembers which runs have ended, so that a step that names one is told so at once instead of
/// waiting for a push, and that a platform sees the nodes which still hold a grant. Remembers the
/// last kMostEndedRuns of this process. Not thread-safe.
class EndedRuns {
  public:
    static constexpr std::size_t kMostEndedRuns = 10'000;

    void add(const vault::RunHead& run, vault::Time at, std::string how);
    /// Forgets the end of a run that exists again.
    void remove(const RunId& run);
    void remove_before(vault::Time time);

    /// Returns null if the run is not known to have ended. Valid until the next change.
    const EndedRun* find(const RunId& run) const;

    /// Returns "run R was completed by alice at 2026-01-01T12:00:00Z", a time of the wall clock.
    static std::string sentence(const RunId& run, const std::string& how, vault::Time at);
    static std::string sentence(const EndedRun& run, vault::Time at) {
        return sentence(run.head.id, run.how, at);
    }

  private:
    std::map<RunId, EndedRun> runs_;
    std::set<std::pair<vault::Time, RunId>> by_time_;
};

}  // namespace secrets::service
