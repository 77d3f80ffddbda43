#pragma once
// The control door: HTTP/1.1 on a Unix socket. Bytes in, a request out, and the answer back. The
// kernel says who is calling (SO_PEERCRED).

#include <set>

#include "agentd/doors/listener.h"
#include "agentd/doors/routes.h"

namespace secrets::doors {

/// Must outlive the loop's run.
class HttpDoor {
  public:
    HttpDoor(asio::io_context& loop, UniqueFd listener, desk::Desk& desk);

    /// Takes no further connection, and finishes the requests of those that it has.
    void stop();

    /// Ends the connections on which no request has come.
    void end_silent();

    /// Breaks off what is still not finished. The loop must run once more for the connections to
    /// go.
    void abort();

  private:
    class Connection;
    void take(UniqueFd fd);
    void refuse(Uid uid, std::ptrdiff_t theirs) const;
    asio::awaitable<void> serve(UniqueFd fd, Uid caller);

    asio::io_context& loop_;
    Routes routes_;
    std::set<Connection*> connections_;
    bool stopped_ = false;
    Listener listener_;
};

}  // namespace secrets::doors
