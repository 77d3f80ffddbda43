// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agent as a service of systemd: the sockets and slabs that systemd passes, and notifications
// to systemd. Without systemd all of this does nothing. Only this file uses sd-daemon(3).

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agentd/vault/fd_store.h"
#include "common/base/unique_fd.h"

namespace secrets::systemd {

/// A descriptor that systemd passed: a listening socket by its unit's FileDescriptorName=, or a
/// descriptor of the descriptor store by the name that it was stored under.
struct Passed {
    std::string name;
    UniqueFd fd;
};

/// Returns all passed descriptors, close-on-exec. Must be called once, before any other code opens
/// a descriptor.
std::vector<Passed> take_passed();

/// Whether a listening socket is a Unix socket of that type (SOCK_SEQPACKET, SOCK_STREAM).
bool is_unix_listener(int fd, int type);

/// Whether a listening socket is a TCP socket.
bool is_tcp_listener(int fd);

/// Sends notifications to systemd. Each call is one datagram to PID 1, which always accepts it.
class ServiceManager : public vault::FdStore {
  public:
    /// Whether systemd started this process and accepts notifications.
    bool is_managed() const;

    void ready(const std::string& status) const;
    void reloading() const;
    void stopping(const std::string& status) const;
    void alive(const std::string& status) const;

    /// Returns how long systemd waits for alive() before it restarts the service; nothing: no
    /// limit.
    std::optional<std::chrono::microseconds> watchdog() const;

    /// Writes to the descriptor store, which is emptied when the service stops, not when it
    /// restarts.
    bool keep(const std::string& name, int fd) override;
    bool forget(const std::string& name) override;
};

}  // namespace secrets::systemd
