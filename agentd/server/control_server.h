// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control door: HTTP/1.1 on a Unix socket. The kernel says who is calling (SO_PEERCRED).

#include <map>

#include "agentd/net/listener.h"
#include "agentd/server/http_session.h"

namespace secrets::server {

/// Must outlive the loop's run.
class ControlServer {
  public:
    /// `relay`: takes what another agent answers; null where the services answers all. `shared`:
    /// where what the services answers from lies; null: here alone. Both must outlive the door.
    ControlServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
                  api::HubProxyInterface* relay, service::SharedStore* shared);

    /// Takes no further connection, and finishes the requests of those that it has.
    void stop();

    /// Ends the connections on which no request has come.
    void end_silent() { hall_.end_silent(); }

    /// Breaks off what is still not finished.
    void abort() { hall_.abort(); }

  private:
    void take(UniqueFd fd);
    void refuse(Uid uid, std::size_t theirs) const;
    asio::awaitable<void> serve(UniqueFd fd, Uid caller, std::shared_ptr<RequestLabel> label);

    asio::io_context& loop_;
    HttpSessionRegistry hall_;
    std::map<uid_t, std::size_t> connections_of_;
    net::Listener listener_;
};

}  // namespace secrets::server
