// SPDX-License-Identifier: Apache-2.0
#pragma once
// Threads that query the name service for the event loop. A query may hang for as long as the name
// service does, and cannot be interrupted: nothing waits for a thread, at the end of the process
// neither.

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "agentd/auth/name_service.h"

namespace secrets::auth {

/// Used in the loop's thread; the queries run in up to four others, which are started as needed.
class LookupWorkers {
  public:
    using Query = std::function<LookupAnswer(const Lookup&)>;
    using Done = std::function<void(const Lookup&, const LookupAnswer&)>;

    /// `query` is called by several threads at a time, `done` in the loop.
    LookupWorkers(boost::asio::io_context& loop, Query query, Done done);
    LookupWorkers(const LookupWorkers&) = delete;
    LookupWorkers& operator=(const LookupWorkers&) = delete;
    /// Drops the answers that are still to come.
    ~LookupWorkers();

    /// Queues a lookup. Lookups that are not urgent wait for those that are, and occupy half of the
    /// threads at most. Returns false if the queue is full or no thread can be started.
    bool start(const Lookup& lookup, bool urgent);
    /// Makes a lookup urgent that was queued as not urgent and has not begun.
    void hurry(const Lookup& lookup);

  private:
    struct State;
    static void* run(void* state);

    std::shared_ptr<State> state_;  ///< shared with the threads, which may outlive this
};

}  // namespace secrets::auth
