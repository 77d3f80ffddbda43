// SPDX-License-Identifier: Apache-2.0
#pragma once
// The role of an agent in a cluster: standalone, a hub, or a node of hubs.

#include <memory>

#include "agentd/hub/node_api_handler.h"
#include "agentd/node/hold_reporter.h"
#include "agentd/node/hub_check.h"
#include "agentd/node/hub_proxy.h"
#include "agentd/node/remote_bindings.h"
#include "agentd/node/remote_grants.h"
#include "agentd/node/remote_submit_check.h"
#include "agentd/server/hub_server.h"
#include "agentd/server/job_server.h"
#include "agentd/server/node_server.h"

namespace secrets {

/// TLS contexts of a hub's server, a node's client and OpenBao's client; each is null for an agent
/// that does not need it.
struct TlsContexts {
    std::shared_ptr<boost::asio::ssl::context> hub;
    std::unique_ptr<boost::asio::ssl::context> client;
    std::unique_ptr<boost::asio::ssl::context> openbao{};
};

/// Makes the context of a node's client.
StatusOr<std::unique_ptr<boost::asio::ssl::context>> make_hub_client_context(const Hub& hub);

/// Makes the contexts that the configuration demands. The Status names the key and the file.
StatusOr<TlsContexts> make_tls_contexts(const Config& config);

/// Must outlive the loop's run.
class ClusterRole {
  public:
    /// `listener`: of a hub's server. `shared`: the store that hubs share; null: none. `keeper`:
    /// keeps this node's name for the next process; null: none does. All objects passed by
    /// reference must outlive the role.
    ClusterRole(boost::asio::io_context& loop, Supervisor& supervisor, const Config& config,
                TlsContexts contexts, UniqueFd listener, service::Services& services,
                service::RunWaiters& waiters, service::SharedStore* shared, vault::FdStore* keeper);

    /// Goes on with the name that this node had in the previous process; if this host is no node,
    /// has the FdStore forget it.
    void take_node_names(const std::vector<std::string>& found);

    /// Returns what answers grant requests of steps; null if the local services do.
    server::GrantAtHub grant_at_hub();

    /// Returns what ends runs with their head jobs; null if the local services do.
    server::BindRun bind_at_hub();

    /// Returns what answers the checks of submissions; null if the local services do.
    server::CheckAtHub check_at_hub();

    /// Returns what reads values of jobs; null if the local services do.
    server::ReadAtHub read_at_hub();

    /// Returns what forwards requests of people and platforms; null if the local services answer.
    api::Router::Forward forward();

    /// Re-reads the files of a hub's server, as `listen` names them now. Null if there is no such
    /// server, or will be none after a restart.
    StatusOr<std::shared_ptr<boost::asio::ssl::context>> renewed_context(
        const Listen& listen) const;
    /// Applies to connections that come from now on.
    void set_context(std::shared_ptr<boost::asio::ssl::context> context);
    /// Applies the other settings of a hub's server that need no restart.
    void configure(const Listen& listen);

    service::ClusterStatus describe() const;
    /// Brings the facts that describe() returns up to date: asks the hubs and munged.
    boost::asio::awaitable<void> check();

    void stop();
    void end_silent();
    void abort();

  private:
    vault::FdStore* keeper_;
    std::unique_ptr<hub::NodeApiHandler> nodes_;
    std::unique_ptr<server::HubServer> hub_server_;
    std::unique_ptr<node::HubClient> client_;
    std::unique_ptr<node::RemoteGrants> asks_;
    std::unique_ptr<node::RemoteBindings> bindings_;
    std::unique_ptr<node::RemoteSubmitCheck> checks_;
    std::unique_ptr<node::HubProxy> relay_;
    std::unique_ptr<node::HoldReporter> report_;
    std::unique_ptr<node::HubCheck> hub_check_;
    std::optional<node::NodeName> node_{};  ///< if this host uses hubs
    std::string address_{};                 ///< on which a hub listens
    std::optional<service::WallTime>
        certificate_end_{};  ///< of the certificate that hubs are shown
};

}  // namespace secrets
