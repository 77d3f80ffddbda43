// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the two doors of the local wire share (common/ipc/plugin_protocol.h): a connection comes,
// who it is and what it sends are checked, and one request is handed over.

#include <functional>
#include <list>
#include <set>
#include <string>

#include "agentd/net/listener.h"
#include "agentd/server/request_label.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/unix_socket.h"

namespace secrets::server {

/// Must outlive the loop's run.
class IpcServer {
  public:
    /// What is said to somebody who may not speak here; null for those who may.
    using Gate = const char* (*)(const Peer& peer);
    /// Answers one request with send(); the connection is closed when it is done.
    using Answer =
        std::function<asio::awaitable<void>(int fd, Peer peer, plugin_protocol::Request request)>;

    IpcServer(asio::io_context& loop, UniqueFd listener, std::string name, Gate gate,
              Answer answer);

    /// Takes no further connection, and finishes the requests of those that it has.
    void stop();

    /// Ends the connections on which no request has come.
    void end_silent();

    /// A reply is small and the socket empty: it goes out at once, or the other side is broken.
    static Status try_to_send(int fd, const plugin_protocol::Reply& reply, int passed_fd = -1);
    /// The same, where nothing can be done about a failure but to write it down.
    void send(int fd, const plugin_protocol::Reply& reply) const;

  private:
    void take(UniqueFd connection);
    bool is_crowded(Uid uid) const;
    void refuse(int fd, const Peer& peer, const std::string& reason) const;
    asio::awaitable<void> serve(UniqueFd connection, Peer peer,
                                std::shared_ptr<RequestLabel> label);
    asio::awaitable<bool> wait_for_request(int fd);

    asio::io_context& loop_;
    std::string name_;
    Gate gate_;
    Answer answer_;
    std::list<uid_t> connections_;                      ///< whose each is
    std::set<asio::posix::stream_descriptor*> silent_;  ///< those that have not sent anything yet
    net::Listener listener_;
};

}  // namespace secrets::server
