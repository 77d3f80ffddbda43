// SPDX-License-Identifier: Apache-2.0
#pragma once
// Waits for what may block, but not for ever.

#include <chrono>
#include <functional>
#include <memory>

namespace secrets::slurmview {

/// One thread of its own does one piece of work at a time. For use by one thread.
class QueryThread {
  public:
    QueryThread();
    QueryThread(const QueryThread&) = delete;
    QueryThread& operator=(const QueryThread&) = delete;
    /// Does not wait: the thread ends when its work does.
    ~QueryThread();

    enum class Outcome {
        done,
        late,  ///< the work goes on, and must not use what its caller is about to destroy
        busy,  ///< with work that was late: this one is not begun
    };
    /// Waits for the work, no longer than `patience`.
    Outcome run(std::function<void()> work, std::chrono::milliseconds patience);

    /// How long the work that makes it busy goes on by now.
    std::chrono::steady_clock::duration busy_for() const;

  private:
    struct Shared;

    static void work(const std::shared_ptr<Shared>& shared);

    std::shared_ptr<Shared> shared_;
};

}  // namespace secrets::slurmview
