#pragma once
// What the two doors of the local wire share (common/wire.h): a connection comes, who it is and
// what it sends are checked, and one request is handed over.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "agentd/doors/listener.h"
#include "common/unix_socket.h"
#include "common/wire.h"

namespace secrets::doors {

/// Must outlive the loop's run.
class WireDoor {
  public:
    /// What is said to somebody who may not speak here; null for those who may.
    using Gate = const char* (*)(const Peer& peer);
    /// Answers one request with send(); the connection is closed when it is done.
    using Answer = std::function<asio::awaitable<void>(int fd, Peer peer, wire::Request request)>;

    WireDoor(asio::io_context& loop, UniqueFd listener, std::string name, Gate gate, Answer answer);

    /// Takes no further connection, finishes the requests that came, and lets go of clients that
    /// have not sent theirs.
    void stop();

    /// A reply is small and the socket empty: it goes out at once, or the other side is broken.
    Failure try_to_send(int fd, const wire::Reply& reply, int passed_fd = -1) const;
    /// The same, where nothing can be done but to write down that it failed.
    void send(int fd, const wire::Reply& reply) const;

  private:
    /// How many connections there are, and how many of them each user has.
    struct Crowd {
        std::size_t all = 0;
        std::map<uid_t, std::size_t> of_user;
    };
    class Seat;

    void take(UniqueFd connection);
    asio::awaitable<void> serve(UniqueFd connection, Peer peer, Seat seat);
    asio::awaitable<bool> wait_for_request(int fd);

    asio::io_context& loop_;
    std::string name_;
    Gate gate_;
    Answer answer_;
    std::shared_ptr<Crowd> crowd_ = std::make_shared<Crowd>();
    std::set<asio::posix::stream_descriptor*> silent_;  ///< those that have not sent anything yet
    Listener listener_;
};

}  // namespace secrets::doors
