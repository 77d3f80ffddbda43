// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves the plugin protocol (common/ipc/plugin_protocol.h) on the node and job sockets: accepts a
// connection, checks the peer and its message, and hands over one request.

#include <functional>
#include <list>
#include <string>

#include "agentd/net/listener.h"
#include "agentd/server/request_label.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/unix_socket.h"

namespace secrets::server {

/// Must outlive the loop's run.
class IpcServer {
  public:
    /// Returns the message to a peer that may not use the socket; null for a permitted peer.
    using Gate = const char* (*)(const Peer& peer);
    /// Answers one request with send(); the connection is closed afterwards.
    using Answer =
        std::function<asio::awaitable<void>(int fd, Peer peer, plugin_protocol::Request&& request)>;

    IpcServer(asio::io_context& loop, UniqueFd listener, std::string name, Gate gate,
              Answer answer);

    /// Accepts no further connection, and finishes the requests of the open ones.
    void stop();

    /// Ends the connections on which no request has come.
    void end_silent();

    /// Sends a reply at once: it is small and the socket empty, or else the other side is broken.
    static Status try_to_send(int fd, const plugin_protocol::Reply& reply, int passed_fd = -1);
    /// Sends a reply likewise, and records a failure as the client's.
    void send(int fd, const plugin_protocol::Reply& reply) const;

  private:
    void take(UniqueFd connection);
    bool has_room(Uid uid);
    bool end_oldest_silent(uid_t uid);
    void refuse(int fd, const Peer& peer, const std::string& reason) const;
    asio::awaitable<void> serve(UniqueFd connection, Peer peer,
                                std::shared_ptr<RequestLabel> label);
    asio::awaitable<bool> wait_for_request(int fd, Uid uid);

    /// A connection that has not sent anything yet.
    struct Silent {
        uid_t uid;
        asio::posix::stream_descriptor* descriptor;
        bool has_ended = false;  ///< closed for another connection
    };

    asio::io_context& loop_;
    std::string name_;
    Gate gate_;
    Answer answer_;
    std::list<uid_t> connections_;  ///< the user of each
    std::list<Silent> silent_;      ///< in the order of their arrival
    net::Listener listener_;
};

}  // namespace secrets::server
