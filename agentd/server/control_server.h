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
    /// `forward`: null if the services answer all requests. `shared`: the store behind the
    /// services; null: local data only, and must outlive the server.
    ControlServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
                  api::Router::Forward forward, service::SharedStore* shared);

    /// Accepts no further connection, and finishes the requests of the open ones.
    void stop();

    /// Ends the connections on which no request has come.
    void end_silent() { registry_.end_silent(); }

    /// Aborts what is still unfinished.
    void abort() { registry_.abort(); }

  private:
    void take(UniqueFd fd);
    using Sessions = std::set<HttpSession*>;
    std::string why_no_room(Uid uid);
    bool close_idle(Sessions& sessions);
    void refuse(Uid uid, const std::string& reason) const;
    asio::awaitable<void> serve(UniqueFd fd, Uid caller, std::shared_ptr<RequestLabel> label);

    asio::io_context& loop_;
    HttpSessionRegistry registry_;
    std::map<uid_t, Sessions> sessions_of_;  ///< without those that were closed for another
    std::size_t open_ = 0;                   ///< of all users
    net::Listener listener_;
};

}  // namespace secrets::server
