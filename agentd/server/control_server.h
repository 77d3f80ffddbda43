// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves HTTP/1.1 on the control Unix socket. The kernel identifies callers (SO_PEERCRED).

#include <map>

#include "agentd/net/listener.h"
#include "agentd/server/http_session.h"

namespace secrets::server {

/// Must outlive the loop's run.
class ControlServer {
  public:
    /// `relay`: takes what another agent answers; null where the services answers all. `shared`:
    /// where what the services answers from lies; null: here alone. Both must outlive the server.
    ControlServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
                  api::HubProxyInterface* relay, service::SharedStore* shared);

    /// Accepts no further connection, and finishes the requests of the open ones.
    void stop();

    /// Ends the connections on which no request has come.
    void end_silent() { registry_.end_silent(); }

    /// Aborts what is still unfinished.
    void abort() { registry_.abort(); }

  private:
    void take(UniqueFd fd);
    void refuse(Uid uid, std::size_t theirs) const;
    asio::awaitable<void> serve(UniqueFd fd, Uid caller, std::shared_ptr<RequestLabel> label);

    asio::io_context& loop_;
    HttpSessionRegistry registry_;
    std::map<uid_t, std::size_t> connections_of_;
    net::Listener listener_;
};

}  // namespace secrets::server
