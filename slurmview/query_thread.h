// SPDX-License-Identifier: Apache-2.0
#pragma once
// Waits for calls that may block, but not forever.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace secrets::slurmview {

/// Runs one function at a time on a thread of its own. Callers wait for their turn. Thread-safe.
class QueryThread {
  public:
    using Clock = std::chrono::steady_clock;

    /// `asked` is what the functions query, for sentences. A function that has run for longer than
    /// `limit` is one that hangs: nobody waits for the next turn.
    QueryThread(std::string asked, std::chrono::milliseconds limit);
    QueryThread(const QueryThread&) = delete;
    QueryThread& operator=(const QueryThread&) = delete;
    /// Does not wait: the thread ends when its current function returns.
    ~QueryThread();

    enum class Outcome {
        done,
        late,  ///< the function still runs, and must not use objects that its caller is about to
               ///   destroy
        busy,  ///< an earlier function still runs: the new one is not started
    };
    /// Runs `work`, and waits for its turn and its end no longer than until `until`.
    Outcome run(std::function<void()> work, Clock::time_point until);

    /// Returns the sentence for a function that was not done, which was given `patience`.
    std::string why_not(Outcome outcome, Clock::duration patience) const;

  private:
    struct Shared;

    static void work(const std::shared_ptr<Shared>& shared);

    const std::string asked_;
    const std::chrono::milliseconds limit_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace secrets::slurmview
