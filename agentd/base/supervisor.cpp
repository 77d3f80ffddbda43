// SPDX-License-Identifier: Apache-2.0
#include "agentd/base/supervisor.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <exception>

namespace secrets {

namespace asio = boost::asio;

void Supervisor::start(std::string name, Factory factory) {
    Task& task = tasks_.emplace_back(
        Task{{std::move(name)}, std::move(factory), asio::steady_timer(loop_), pauses_.first});
    launch(task);
}

void Supervisor::stop() {
    stopped_ = true;
    for (Task& task : tasks_) task.timer.cancel();
}

std::vector<TaskStatus> Supervisor::tasks() const {
    std::vector<TaskStatus> all;
    for (const Task& task : tasks_) all.push_back(task.status);
    return all;
}

void Supervisor::launch(Task& task) {
    task.started = Clock::now();
    try {
        asio::co_spawn(loop_, run(task), [](const std::exception_ptr& thrown) {
            if (thrown) std::rethrow_exception(thrown);  // thrown by end(): no remedy is left
        });
    } catch (const std::exception& error) {
        end(task, error.what());
    }
}

/// Runs the task once, and schedules its restart. The failed coroutine is destroyed by then.
asio::awaitable<void> Supervisor::run(Task& task) {
    try {
        co_await task.factory();
    } catch (const std::exception& error) {
        end(task, error.what());
        co_return;
    } catch (...) {
        end(task, "an unknown exception");
        co_return;
    }
    if (!stopped_) end(task, "it returned without being stopped");
}

/// Sets the timer before allocating any other memory: memory may be what has run out.
void Supervisor::end(Task& task, const char* why) {
    std::chrono::milliseconds pause{};
    if (!stopped_) {
        if (Clock::now() - task.started >= pauses_.longest) task.pause = pauses_.first;
        pause = task.pause;
        task.pause = std::min(2 * pause, pauses_.longest);
        task.timer.expires_after(pause);
        task.timer.async_wait(
            HandlerInPlace(task.memory, [this, &task](const boost::system::error_code&) {
                if (stopped_) return;
                ++task.status.restarts;
                launch(task);
            }));
    }
    try {
        task.status.last_error = why;
        report_(task.status.name, task.status.last_error, pause);
    } catch (const std::exception&) {
        // No memory for a report: the count of restarts still shows the event.
    }
}

}  // namespace secrets
