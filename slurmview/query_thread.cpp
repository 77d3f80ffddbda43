// SPDX-License-Identifier: Apache-2.0
#include "slurmview/query_thread.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace secrets::slurmview {

using Clock = std::chrono::steady_clock;

/// The state that both threads use, under `mutex`. Outlives whichever thread ends first.
struct QueryThread::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::function<void()> work;  ///< the function that runs now; none: the thread is free
    Clock::time_point since;
    bool ended = false;
};

QueryThread::QueryThread() : shared_(std::make_shared<Shared>()) {
    std::thread(work, shared_).detach();
}

QueryThread::~QueryThread() {
    const std::lock_guard lock(shared_->mutex);
    shared_->ended = true;
    shared_->changed.notify_all();
}

void QueryThread::work(const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock(shared->mutex);
    while (true) {
        shared->changed.wait(lock, [&] { return shared->ended || shared->work; });
        if (shared->ended) return;
        lock.unlock();
        shared->work();  // not replaced by another thread while it is set
        lock.lock();
        shared->work = nullptr;
        shared->changed.notify_all();
    }
}

QueryThread::Outcome QueryThread::run(std::function<void()> work,
                                      std::chrono::milliseconds patience) {
    std::unique_lock lock(shared_->mutex);
    if (shared_->work) return Outcome::busy;
    shared_->work = std::move(work);
    shared_->since = Clock::now();
    shared_->changed.notify_all();
    const bool done = shared_->changed.wait_for(lock, patience, [&] { return !shared_->work; });
    return done ? Outcome::done : Outcome::late;
}

Clock::duration QueryThread::busy_for() const {
    const std::lock_guard lock(shared_->mutex);
    return Clock::now() - shared_->since;
}

}  // namespace secrets::slurmview
