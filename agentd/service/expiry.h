// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/service/service_context.h"

namespace secrets::service {

/// Ends runs and deletes expired stored secrets. Not thread-safe.
class Expiry {
  public:
    explicit Expiry(ServiceContext& context) : context_(context) {}

    /// Wipes expired runs and deletes expired stored secrets. Returns the time of the next expiry;
    /// Events::expiry_changed() reports that this time may have become earlier.
    std::optional<vault::Time> expire();

    /// Wipes a run that has expired, and reports that.
    void expire_run(const RunId& run);

    /// Wipes a run, which needs no memory; then remembers how it ended, if there is memory for
    /// that: see EndedRun::how. `run` may be in the vault's own object, which the call destroys.
    vault::WipedRun end_run(const RunId& run, std::string_view how);
    /// Returns what names_in() does, or no names if there is no memory for them: to be called
    /// before a wipe.
    std::vector<std::string> names_before_wipe(const RunId& run) const;

    /// Makes expire() search for the next expiry again, because stored secrets have changed.
    void look_again() { no_expiry_before_ = {}; }

    /// Returns the head of an ended run of which nodes still hold a grant, or null.
    const vault::RunHead* find_ended(const RunId& run) const;
    std::optional<vault::Time> ended_at(const RunId& run) const;
    /// Returns the names of the run's secrets, each once.
    std::vector<std::string> names_in(const RunId& run) const;

  private:
    std::optional<vault::Time> expire_secrets();
    std::optional<vault::Time> expire_runs();
    static void report_expiry(const vault::WipedRun& run, std::vector<std::string> names);

    ServiceContext& context_;
    vault::Time no_expiry_before_;  ///< of stored secrets
};

}  // namespace secrets::service
