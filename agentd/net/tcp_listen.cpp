// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/tcp_listen.h"

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>

#include "common/base/names.h"

namespace secrets::net {
namespace {

/// Large, as all nodes of a job may connect at once; the kernel's somaxconn limits it.
constexpr int kBacklog = 4096;

/// Returns the Status of a socket() or bind() that failed.
Status no_listener(const std::string& host, std::uint16_t port) {
    const int error = errno;
    const std::string failure = "cannot listen on " + host + " port " + std::to_string(port) + ": ";
    switch (error) {
        case EADDRINUSE:
            return Status::failed(failure + "another program listens on it");
        case EADDRNOTAVAIL:
            return Status::failed(failure + "this host has no such address");
        case EACCES:
            return Status::failed(
                failure +
                "ports below 1024 are reserved for root; choose another port, or let systemd "
                "listen (slurm-secretsd-hub.socket)");
        case EAFNOSUPPORT:
        case EPERM:
            return Status::failed(
                failure +
                "this service has no network of its own; enable slurm-secretsd-hub.socket");
        default:
            return Status::failed(failure + strerror(error));
    }
}

}  // namespace

StatusOr<UniqueFd> listen_at_address(const std::string& address, std::uint16_t port) {
    using Tcp = boost::asio::ip::tcp;
    boost::system::error_code error;
    const auto parsed = boost::asio::ip::make_address(address, error);
    if (error)
        return Status::failed("invalid address " + in_quotes(address) +
                              "; expected an IP address of this host, such as 0.0.0.0");
    const Tcp::endpoint endpoint(parsed, port);
    UniqueFd fd(
        socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return no_listener(address, port);
    const int yes = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
        listen(fd.get(), kBacklog) != 0) {
        return no_listener(address, port);
    }
    return fd;
}

}  // namespace secrets::net
