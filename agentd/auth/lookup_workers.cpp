// SPDX-License-Identifier: Apache-2.0
#include "agentd/auth/lookup_workers.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "agentd/base/detached_thread.h"

namespace secrets::auth {
namespace {

/// Some lookups may hang and others still be answered; the agent is small, and so are its threads.
constexpr std::size_t kMostThreads = 4;
constexpr std::size_t kMostBackground = kMostThreads / 2;
constexpr std::size_t kStackBytes = 1024UL * 1024;

/// More than users can cause: the connections of each are limited.
constexpr std::size_t kMostQueued = 4096;

/// Returns an error if memory ran out, which the loop survives, too.
LookupAnswer query_without_exception(const LookupWorkers::Query& query, const Lookup& lookup) {
    try {
        return query(lookup);
    } catch (const std::exception& error) {
        return Status::unavailable(error.what());
    }
}

}  // namespace

struct LookupWorkers::State {
    State(boost::asio::io_context& the_loop, Query the_query, Done the_done)
        : loop(&the_loop), query(std::move(the_query)), done(std::move(the_done)) {}

    bool has_work() const {
        return !urgent.empty() || (!background.empty() && background_busy < kMostBackground);
    }

    std::mutex mutex;
    std::condition_variable more;
    boost::asio::io_context* loop;  ///< null once the owner has gone
    const Query query;
    const Done done;
    std::deque<Lookup> urgent;
    std::deque<Lookup> background;
    std::size_t threads = 0;
    std::size_t idle = 0;
    std::size_t background_busy = 0;
};

LookupWorkers::LookupWorkers(boost::asio::io_context& loop, Query query, Done done)
    : state_(std::make_shared<State>(loop, std::move(query), std::move(done))) {}

LookupWorkers::~LookupWorkers() {
    const std::lock_guard lock(state_->mutex);
    state_->loop = nullptr;
    state_->urgent.clear();
    state_->background.clear();
    state_->more.notify_all();
}

bool LookupWorkers::start(const Lookup& lookup, bool urgent) {
    State& state = *state_;
    const std::lock_guard lock(state.mutex);
    const std::size_t queued = state.urgent.size() + state.background.size();
    if (queued >= kMostQueued) return false;
    if (state.idle <= queued && state.threads < kMostThreads) {
        auto shared = std::make_unique<std::shared_ptr<State>>(state_);
        if (start_detached_thread(kStackBytes, &LookupWorkers::run, shared.get())) {
            static_cast<void>(shared.release());  // the thread owns it
            ++state.threads;
        } else if (state.threads == 0) {
            return false;
        }
    }
    (urgent ? state.urgent : state.background).push_back(lookup);
    state.more.notify_one();
    return true;
}

void LookupWorkers::hurry(const Lookup& lookup) {
    const std::lock_guard lock(state_->mutex);
    if (std::erase(state_->background, lookup) == 0) return;
    state_->urgent.push_back(lookup);
    state_->more.notify_one();
}

void* LookupWorkers::run(void* argument) {
    const std::unique_ptr<std::shared_ptr<State>> shared(
        static_cast<std::shared_ptr<State>*>(argument));
    State& state = **shared;
    std::unique_lock lock(state.mutex);
    while (true) {
        ++state.idle;
        state.more.wait(lock, [&] { return state.loop == nullptr || state.has_work(); });
        --state.idle;
        if (state.loop == nullptr) return nullptr;
        const bool is_urgent = !state.urgent.empty();
        auto& queue = is_urgent ? state.urgent : state.background;
        const Lookup lookup = std::move(queue.front());
        queue.pop_front();
        if (!is_urgent) ++state.background_busy;
        lock.unlock();
        LookupAnswer answer = query_without_exception(state.query, lookup);
        lock.lock();
        if (!is_urgent) --state.background_busy;
        if (state.loop == nullptr) return nullptr;
        boost::asio::post(*state.loop, [shared = *shared, lookup, answer = std::move(answer)] {
            // Only the loop's thread sets `loop` to null.
            if (shared->loop != nullptr) shared->done(lookup, answer);
        });
    }
}

}  // namespace secrets::auth
