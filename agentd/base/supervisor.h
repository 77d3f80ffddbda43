// SPDX-License-Identifier: Apache-2.0
#pragma once
// Background coroutines of the event loop: for example the reaper and the account watcher.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "agentd/base/handler_allocator.h"
#include "agentd/base/task_status.h"

namespace secrets {

/// Pauses before a task is restarted: each is twice the one before. After a task has run for the
/// longest pause, its next pause is the first again.
struct RestartDelays {
    std::chrono::milliseconds first{1000};
    std::chrono::milliseconds longest{60000};
};

/// Runs background tasks until stop(). A task that ends before stop(), by an exception or without
/// one, is reported and restarted after a pause. Must outlive the loop's run.
class Supervisor {
  public:
    /// Creates the task's coroutine, a new one for each start.
    using Factory = std::function<boost::asio::awaitable<void>()>;
    /// Called when a task has ended. `pause`: the time until its restart, or zero if stop() was
    /// called and it is not restarted.
    using Report = std::function<void(const std::string& task, const std::string& why,
                                      std::chrono::milliseconds pause)>;

    Supervisor(boost::asio::io_context& loop, Report report, RestartDelays pauses = {})
        : loop_(loop), report_(std::move(report)), pauses_(pauses) {}
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    /// Starts the task in the loop's next turn, or when the loop begins to run. Objects to which
    /// the factory refers must outlive the loop's run.
    void start(std::string name, Factory factory);

    /// Disables restarts. The owner of each task tells the task to end.
    void stop();

    std::vector<TaskStatus> tasks() const;

  private:
    using Clock = std::chrono::steady_clock;

    struct Task {
        TaskStatus status;
        Factory factory;
        boost::asio::steady_timer timer;
        std::chrono::milliseconds pause;
        Clock::time_point started{};
        /// Lets the timer be started even when memory has run out.
        std::shared_ptr<HandlerMemory> memory = std::make_shared<HandlerMemory>();
    };

    void launch(Task& task);
    boost::asio::awaitable<void> run(Task& task);
    void end(Task& task, const char* why);

    boost::asio::io_context& loop_;
    Report report_;
    RestartDelays pauses_;
    std::list<Task> tasks_;  ///< a list, so that addresses are stable
    bool stopped_ = false;
};

}  // namespace secrets
