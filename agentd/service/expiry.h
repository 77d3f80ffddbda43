// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agentd/service/service_context.h"

namespace secrets::service {

/// Ends what has expired, and runs: what is left of an ended run is remembered as long as nodes
/// hold something of it. Not thread-safe.
class Expiry {
  public:
    explicit Expiry(ServiceContext& context) : context_(context) {}

    /// Wipes the runs, and deletes the stored secrets, that have expired; returns when the next one
    /// does. Events::expiry_changed() tells that this may have become earlier.
    std::optional<vault::Time> expire();

    /// Wipes a run; `head` may be the vault's own, which is gone after the call.
    vault::WipeReceipt end_run(const vault::RunHead& head);

    /// Looks for the next expiry anew: stored secrets have changed.
    void look_again() { no_expiry_before_ = {}; }

    /// A run that has ended and of which nodes still hold something, or null.
    const vault::RunHead* find_ended(const RunId& run) const;
    std::optional<vault::Time> ended_at(const RunId& run) const;
    /// The run is there again.
    void forget_ended(const RunId& run) { ended_runs_.erase(run); }
    /// Forgets the ended runs of which no node holds anything any more.
    void forget_ended_runs();

    /// The names of the run's secrets, each once.
    std::vector<std::string> names_in(const RunId& run) const;

  private:
    std::optional<vault::Time> expire_secrets();
    std::optional<vault::Time> expire_runs();
    void note_end(const vault::RunHead& run);

    ServiceContext& context_;
    vault::Time no_expiry_before_;  ///< of kept secrets; to look for the first takes long
    struct EndedRun {
        vault::RunHead head;
        vault::Time at;
    };
    std::map<RunId, EndedRun> ended_runs_;
};

}  // namespace secrets::service
