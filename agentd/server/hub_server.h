// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves a hub over TLS 1.3, with the same HTTP as the control socket. A platform is identified by
// its client certificate; nodes and users are identified by munge.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <set>

#include "agentd/audit/denied_address_log.h"
#include "agentd/auth/munge.h"
#include "agentd/net/connection_limits.h"
#include "agentd/net/handshake_limiter.h"
#include "agentd/net/listener.h"
#include "agentd/net/tls_context.h"
#include "agentd/server/http_session.h"

namespace secrets::server {

/// Must outlive the loop's run.
class HubServer {
  public:
    /// `routes`: all that this hub serves. `shared`: the store behind the services; null: local
    /// data only. The store, and what answers the routes, must outlive the server.
    HubServer(asio::io_context& loop, UniqueFd listener,
              std::shared_ptr<asio::ssl::context> context, service::Services& services,
              std::vector<api::Route> routes, service::SharedStore* shared);

    /// Applies to connections that come from now on.
    void set_context(std::shared_ptr<asio::ssl::context> context);
    /// Sets whether a certificate may be a host's, whose users munge identifies: from now on.
    void take_host_certificates(bool taken) { takes_host_certificates_ = taken; }

    /// Calls munged, so that munge_trouble() is up to date.
    asio::awaitable<void> check_munge();
    /// Returns why munged did not answer the last time; empty if it did.
    const std::string& munge_trouble() const { return munge_.trouble(); }

    std::optional<std::chrono::sys_seconds> certificate_end() const {
        return net::certificate_end(*context_);
    }

    void stop();
    void end_silent();
    void abort();

  private:
    using Transport = beast::basic_stream<asio::ip::tcp>;
    using TlsStream = asio::ssl::stream<Transport>;

    void look_at_certificate() const;
    void take(UniqueFd fd);
    void serve_in_turn(net::HandshakeLimiter::Client client, net::HandshakeLimiter::Slot slot);
    asio::awaitable<void> serve(net::HandshakeLimiter::Client client,
                                net::HandshakeLimiter::Slot slot,
                                std::shared_ptr<RequestLabel> label);
    asio::awaitable<bool> shake_hands(TlsStream& stream, const std::string& address,
                                      net::HandshakeLimiter::Slot slot);

    asio::io_context& loop_;
    service::Services& services_;
    std::shared_ptr<asio::ssl::context> context_;
    auth::Munge munge_;
    bool takes_host_certificates_ = false;
    HttpSessionRegistry registry_;
    std::set<Transport*> shaking_hands_;
    audit::DeniedAddressLog refusals_{"a client"};
    net::ConnectionLimits limits_;  ///< also of clients before their handshake
    net::HandshakeLimiter queue_;
    net::Listener listener_;
};

}  // namespace secrets::server
