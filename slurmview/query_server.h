// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

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

    /// Accepts the connection that waits at the listener. A connection beyond kMostConnections is
    /// refused at once.
    void serve_one();

    /// Returns whether no connection is being answered.
    bool is_idle() const;

  private:
    struct Shared;

    int listener_;
    Uid owner_;
    std::shared_ptr<Shared> shared_;  ///< used by the threads
};

}  // namespace secrets::slurmview
