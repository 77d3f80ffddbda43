// SPDX-License-Identifier: Apache-2.0
#pragma once
// A word that the FdStore holds for the next process beside the slabs: a name without a content.

#include <string>
#include <vector>

#include "agentd/vault/fd_store.h"

namespace secrets::vault {

/// Keeps at most one word, in the name of an empty descriptor: "memory-8f3a…". Not thread-safe.
class KeptWord {
  public:
    /// `prefix` begins the name, and tells words apart. `keeper`: null: no word outlives the
    /// process; otherwise must outlive this.
    KeptWord(std::string prefix, FdStore* keeper) : prefix_(std::move(prefix)), keeper_(keeper) {}

    /// Goes on with the word that an earlier process kept; of several, which only an error leaves,
    /// with none. The FdStore forgets what is not gone on with.
    void take_over(const std::vector<std::string>& words);

    /// Keeps `word` instead of the earlier one. A word that cannot be kept is not. If the FdStore
    /// cannot be told to forget the earlier one, it has both, and the next process goes on with
    /// none.
    void keep(const std::string& word);
    /// Returns whether the FdStore has no word now. What it could not be told to forget is
    /// forgotten at a later call.
    bool forget() noexcept;

    /// Returns what is kept; empty: nothing.
    std::string text() const { return stored_.size() == 1 ? stored_.front() : std::string(); }

  private:
    std::string prefix_;
    FdStore* keeper_;
    std::vector<std::string> stored_;  ///< several only after a failure
};

}  // namespace secrets::vault
