// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/base/status.h"
#include "common/base/unique_fd.h"
#include "common/ipc/unix_socket.h"

namespace secrets::server {

/// The process that connected to a socket, and no later one with its pid. On kernels before 6.5,
/// which name it by the pid alone, it is the one that has this pid when of() is called.
class PeerProcess {
  public:
    /// Returns a Status if the process has ended.
    static StatusOr<PeerProcess> of(int connection, const Peer& peer);

    /// Whether the process still runs. While it does, no other process has its pid.
    bool runs() const;

  private:
    explicit PeerProcess(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
};

/// Returns the denial of a request whose process has ended.
Status process_has_ended();

}  // namespace secrets::server
