// SPDX-License-Identifier: Apache-2.0
#pragma once
// The hub's door: the same HTTP as at the control door, over TLS 1.3. A platform is who its client
// certificate names; nodes and users are who munge says.

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
    /// `nodes`: what answers nodes' requests; null where nothing does. `shared`: where what the
    /// services answers from lies; null: here alone. Both must outlive the door.
    HubServer(asio::io_context& loop, UniqueFd listener,
              std::shared_ptr<asio::ssl::context> context, service::Services& services,
              api::NodeApi* nodes, service::SharedStore* shared);

    /// For the connections that come from now on.
    void set_context(std::shared_ptr<asio::ssl::context> context);
    /// Whether a certificate may be a host's, of whose users munge tells: from now on.
    void take_host_certificates(bool taken) { takes_host_certificates_ = taken; }

    void stop();
    void end_silent();
    void abort();

  private:
    using Transport = beast::basic_stream<asio::ip::tcp>;
    using TlsStream = asio::ssl::stream<Transport>;

    void look_at_certificate() const;
    void take(UniqueFd fd);
    void serve_in_turn(net::HandshakeLimiter::Client client, net::HandshakeLimiter::Slot place);
    asio::awaitable<void> serve(net::HandshakeLimiter::Client client,
                                net::HandshakeLimiter::Slot place,
                                std::shared_ptr<RequestLabel> label);
    asio::awaitable<bool> shake_hands(TlsStream& stream, const std::string& address,
                                      net::HandshakeLimiter::Slot place);

    asio::io_context& loop_;
    service::Services& services_;
    std::shared_ptr<asio::ssl::context> context_;
    auth::Munge munge_;
    bool takes_host_certificates_ = false;
    HttpSessionRegistry hall_;
    std::set<Transport*> shaking_hands_;
    audit::DeniedAddressLog refusals_{"a client"};
    net::ConnectionLimits limits_;  ///< of those that have not shaken hands yet, too
    net::HandshakeLimiter queue_;
    net::Listener listener_;
};

}  // namespace secrets::server
