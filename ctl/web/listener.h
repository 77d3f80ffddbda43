// SPDX-License-Identifier: Apache-2.0
#pragma once
// The port or the Unix socket at which the page is served.

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <string>

#include "common/base/status.h"

namespace secrets::ctl::web {

using Socket = boost::asio::generic::stream_protocol::socket;

class Listener {
  public:
    /// Listens at 127.0.0.1; `port` 0: at a free port. Throws CommandError if it cannot.
    static Listener on_loopback(boost::asio::io_context& loop, std::uint16_t port);

    /// Listens at a Unix socket that only this user can connect to. Replaces a socket at which
    /// nothing listens. Throws CommandError if it cannot.
    static Listener on_unix_socket(boost::asio::io_context& loop, const std::string& path);

    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&&) = delete;
    /// Removes the Unix socket, if it is still this one.
    ~Listener();

    /// Accepts the next connection, or sets the error. `error` must outlive the wait.
    boost::asio::awaitable<Socket> accept(boost::system::error_code& error);

    /// Returns the port; 0 for a Unix socket.
    std::uint16_t port() const;

  private:
    using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

    explicit Listener(Acceptor acceptor) : acceptor_(std::move(acceptor)) {}

    Acceptor acceptor_;
    std::string path_{};  ///< of the Unix socket
    ino_t inode_ = 0;     ///< of the Unix socket: another process may have replaced it
};

/// Returns success if the process at the other end of a connection is this user's or root's; else
/// what is wrong.
Status check_peer(Socket& socket);

}  // namespace secrets::ctl::web
