// SPDX-License-Identifier: Apache-2.0
#pragma once
// Waits for calls that may block, but not forever.

#include <chrono>
#include <functional>
#include <memory>

namespace secrets::slurmview {

/// Runs one function at a time on a thread of its own. For use by one thread.
class QueryThread {
  public:
    QueryThread();
    QueryThread(const QueryThread&) = delete;
    QueryThread& operator=(const QueryThread&) = delete;
    /// Does not wait: the thread ends when its current function returns.
    ~QueryThread();

    enum class Outcome {
        done,
        late,  ///< the function still runs, and must not use objects that its caller is about to
               ///   destroy
        busy,  ///< an earlier late function still runs: the new one is not started
    };
    /// Runs `work`, and waits for it no longer than `patience`.
    Outcome run(std::function<void()> work, std::chrono::milliseconds patience);

    /// Returns how long the function that occupies the thread has been running.
    std::chrono::steady_clock::duration busy_for() const;

  private:
    struct Shared;

    static void work(const std::shared_ptr<Shared>& shared);

    std::shared_ptr<Shared> shared_;
};

}  // namespace secrets::slurmview
