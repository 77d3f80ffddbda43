// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agent as a service of systemd: sockets and slabs that it hands over, and what it is told.
// Under no systemd all of this does nothing. This is the one place that knows sd-daemon(3).

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agentd/vault/fd_store.h"
#include "common/base/unique_fd.h"

namespace secrets::systemd {

/// A descriptor that systemd passed: a listening socket by its unit's FileDescriptorName=, or one
/// of the descriptor store by the name that it was stored under.
struct Passed {
    std::string name;
    UniqueFd fd;
};

/// All that was passed, close-on-exec. To be called once, before anything else opens a descriptor.
std::vector<Passed> take_passed();

/// Whether a listening socket is a Unix socket of that type (SOCK_SEQPACKET, SOCK_STREAM).
bool is_unix_listener(int fd, int type);

/// Whether it is a listening TCP socket.
bool is_tcp_listener(int fd);

/// What systemd is told. Each call is one datagram to PID 1, which is always there to take it.
class ServiceManager : public vault::FdStore {
  public:
    /// Whether systemd started this process and wants to hear from it.
    bool is_managed() const;

    void ready(const std::string& status) const;
    void reloading() const;
    void stopping(const std::string& status) const;
    void alive(const std::string& status) const;

    /// How long systemd waits for alive() before it restarts the service; nothing: it does not.
    std::optional<std::chrono::microseconds> watchdog() const;

    /// The descriptor store. It is emptied when the service is stopped, not when it is restarted.
    bool keep(const std::string& name, int fd) override;
    void forget(const std::string& name) override;
};

}  // namespace secrets::systemd
