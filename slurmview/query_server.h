// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "common/base/deadline.h"
#include "common/base/ids.h"
#include "common/ipc/unix_socket.h"
#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// Answers each connection on a thread of its own, so that a request that must wait delays no
/// other. Only root and `owner` are allowed.
class QueryServer {
  public:
    static constexpr unsigned kMostConnections = 64;

    /// `queue` must outlive all connections.
    QueryServer(int listener, Uid owner, QueryQueue& queue);

    /// Accepts connections until `end`, if there is one, and returns when they were answered.
    /// A connection beyond kMostConnections is refused at once. One that comes after the end waits
    /// at the listener, for the next process.
    void serve(std::optional<Deadline> end);

  private:
    struct Shared;

    void serve_one();

    int listener_;
    Uid owner_;
    std::shared_ptr<Shared> shared_;  ///< used by the threads
};

}  // namespace secrets::slurmview
