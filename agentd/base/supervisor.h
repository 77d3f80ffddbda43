// SPDX-License-Identifier: Apache-2.0
#pragma once
// Background coroutines of the event loop: the reaper, the account watcher and the like.

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

/// Pauses before a task is started again: each is twice the one before. A task that ran for the
/// longest pause begins with the first one again.
struct RestartPauses {
    std::chrono::milliseconds first{1000};
    std::chrono::milliseconds longest{60000};
};

/// Runs background tasks, which go on until stop(). A task that ends before, by an exception or
/// without one, is reported and started again after a pause. Must outlive the loop's run.
class Supervisor {
  public:
    /// Makes the task's coroutine, for each start a new one.
    using Factory = std::function<boost::asio::awaitable<void>()>;
    /// Called when a task has ended. `pause`: until it is started again; zero: it is not, since
    /// all are to end.
    using Report = std::function<void(const std::string& task, const std::string& why,
                                      std::chrono::milliseconds pause)>;

    Supervisor(boost::asio::io_context& loop, Report report, RestartPauses pauses = {})
        : loop_(loop), report_(std::move(report)), pauses_(pauses) {}
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    /// The task begins in the loop's next turn, if that is not running yet. What the factory refers
    /// to must outlive the loop's run.
    void start(std::string name, Factory factory);

    /// Starts no task again. Each is told to end by whoever started it.
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
        /// The timer must run when memory has run out, too.
        std::shared_ptr<HandlerMemory> memory = std::make_shared<HandlerMemory>();
    };

    void launch(Task& task);
    boost::asio::awaitable<void> run(Task& task);
    void end(Task& task, const char* why);

    boost::asio::io_context& loop_;
    Report report_;
    RestartPauses pauses_;
    std::list<Task> tasks_;  ///< stay where they are
    bool stopped_ = false;
};

}  // namespace secrets
