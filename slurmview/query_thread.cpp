// SPDX-License-Identifier: Apache-2.0
#include "slurmview/query_thread.h"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace secrets::slurmview {
namespace {

std::string in_seconds(QueryThread::Clock::duration duration) {
    return std::to_string(std::chrono::round<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

/// The state that all threads use, under `mutex`. Outlives whichever thread ends first.
struct QueryThread::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::function<void()> work;  ///< the function that runs now; none: the thread is free
    Clock::time_point since;     ///< when it was begun
    std::uint64_t ended_works = 0;
    bool ended = false;
};

QueryThread::QueryThread(std::string asked, std::chrono::milliseconds limit)
    : asked_(std::move(asked)), limit_(limit), shared_(std::make_shared<Shared>()) {
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
        ++shared->ended_works;
        shared->changed.notify_all();
    }
}

QueryThread::Outcome QueryThread::run(std::function<void()> work, Clock::time_point until) {
    std::unique_lock lock(shared_->mutex);
    while (shared_->work) {
        const auto turn = std::min(until, shared_->since + limit_);
        if (turn <= Clock::now()) return Outcome::busy;
        shared_->changed.wait_until(lock, turn);
    }
    shared_->work = std::move(work);
    shared_->since = Clock::now();
    const std::uint64_t number = shared_->ended_works;
    shared_->changed.notify_all();
    const bool done =
        shared_->changed.wait_until(lock, until, [&] { return shared_->ended_works != number; });
    return done ? Outcome::done : Outcome::late;
}

std::string QueryThread::why_not(Outcome outcome, Clock::duration patience) const {
    if (outcome == Outcome::late) {
        if (patience < std::chrono::seconds(1)) return asked_ + " has not answered yet";
        return asked_ + " did not answer within " + in_seconds(patience);
    }
    const std::lock_guard lock(shared_->mutex);
    const auto age = Clock::now() - shared_->since;
    // The earlier function may have ended by now.
    if (!shared_->work || age < std::chrono::seconds(1))
        return asked_ + " has not answered earlier queries yet";
    return "still waiting for " + asked_ + ", which was queried " + in_seconds(age) + " ago";
}

}  // namespace secrets::slurmview
