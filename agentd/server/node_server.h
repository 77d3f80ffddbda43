// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves the node socket: slurmstepd and the epilog send requests in the plugin protocol
// (common/ipc/plugin_protocol.h). Decodes a request, and sends the services' answer back; its only
// decision is that only root may connect.

#include <functional>
#include <optional>

#include "agentd/api/http_message.h"
#include "agentd/server/ipc_server.h"
#include "agentd/service/run_waiters.h"
#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"

namespace secrets::server {

/// Answers a step's grant request on a node of a hub, where the agent does not answer it itself.
/// `is_gone`: returns whether nobody waits for the answer any more.
using GrantAtHub = std::function<asio::awaitable<service::GrantAnswer>(
    plugin_protocol::GrantRequest request, api::IsGone is_gone)>;

/// Ends a run with its head job.
using BindRun = std::function<asio::awaitable<Status>(service::RunBinding binding)>;

/// Must outlive the loop's run.
class NodeServer {
  public:
    /// `shared`: the store behind the services; null: local data only, and must outlive the server.
    /// `grant_at_hub`: null if this agent's services grant.
    NodeServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
               service::RunWaiters& waiters, service::SharedStore* shared, GrantAtHub grant_at_hub,
               BindRun bind);

    /// Accepts no further connection, and finishes the requests that came. The waiters must release
    /// the requests that wait for a push: their plugins try again.
    void stop() { server_.stop(); }

    void end_silent() { server_.end_silent(); }

  private:
    asio::awaitable<void> answer(int fd, plugin_protocol::Request request);
    asio::awaitable<Status> bind(plugin_protocol::BindRequest request);
    Status hand_over(int fd, const plugin_protocol::GrantRequest& request,
                     const service::Granted& granted, const std::string& note);
    asio::awaitable<std::optional<RunId>> answer_grant(int fd,
                                                       const plugin_protocol::GrantRequest& request,
                                                       service::GrantAnswer& answer);
    asio::awaitable<service::GrantAnswer> request_grant(int fd,
                                                        plugin_protocol::GrantRequest request);
    asio::awaitable<service::GrantAnswer> wait_for_run(int fd,
                                                       plugin_protocol::GrantRequest request);

    service::Services& services_;
    service::SharedStore* shared_;
    GrantAtHub grant_at_hub_;
    BindRun bind_;
    service::RunWaiters& waiters_;
    IpcServer server_;
};

}  // namespace secrets::server
