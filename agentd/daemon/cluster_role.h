// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an agent is in a cluster: alone, a hub, or a node of hubs.

#include <memory>

#include "agentd/hub/node_api_handler.h"
#include "agentd/node/hold_reporter.h"
#include "agentd/node/hub_proxy.h"
#include "agentd/node/remote_grants.h"
#include "agentd/node/remote_submit_check.h"
#include "agentd/server/hub_server.h"

namespace secrets {

/// TLS as a hub's door, a node's client and OpenBao's client need it; each is null for an agent
/// that has none.
struct TlsContexts {
    std::shared_ptr<boost::asio::ssl::context> hub;
    std::unique_ptr<boost::asio::ssl::context> client;
    std::unique_ptr<boost::asio::ssl::context> openbao{};
};

/// Of a node's client.
StatusOr<std::unique_ptr<boost::asio::ssl::context>> make_hub_client_context(const Hub& hub);

/// What the configuration asks for. The Status names the key and the file.
StatusOr<TlsContexts> make_tls_contexts(const Config& config);

/// Must outlive the loop's run.
class ClusterRole {
  public:
    /// `listener`: of a hub's door. `shared`: what hubs share; null: nothing. All that is referred
    /// to must outlive it.
    ClusterRole(boost::asio::io_context& loop, Supervisor& supervisor, const Config& config,
                TlsContexts contexts, UniqueFd listener, service::Services& services,
                service::RunWaiters& waiters, service::SharedStore* shared);

    /// Who answers the asks of steps; null where the services does.
    server::AsksElsewhere* asks() { return asks_.get(); }

    /// Who answers the checks of what is submitted; null where the services does.
    server::ChecksElsewhere* checks() { return checks_.get(); }

    /// Who takes the requests of people and platforms; null where the services does.
    api::HubProxyInterface* relay() { return relay_.get(); }

    /// The files of a hub's door, as `listen` names them now, read anew. Null where there is no
    /// door, or will be none after a restart.
    StatusOr<std::shared_ptr<boost::asio::ssl::context>> renewed_context(
        const Listen& listen) const;
    /// For the connections that come from now on.
    void set_context(std::shared_ptr<boost::asio::ssl::context> context);
    /// What else of a hub's door needs no restart.
    void configure(const Listen& listen);

    void stop();
    void end_silent();
    void abort();

  private:
    std::unique_ptr<hub::NodeApiHandler> nodes_;
    std::unique_ptr<server::HubServer> door_;
    std::unique_ptr<node::HubClient> client_;
    std::unique_ptr<node::RemoteGrants> asks_;
    std::unique_ptr<node::RemoteSubmitCheck> checks_;
    std::unique_ptr<node::HubProxy> relay_;
    std::unique_ptr<node::HoldReporter> report_;
};

}  // namespace secrets
