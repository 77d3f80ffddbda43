// SPDX-License-Identifier: Apache-2.0
#pragma once
// The node door: slurmstepd and the epilog ask here, in the local wire
// (common/ipc/plugin_protocol.h). Bytes in, a request out, and the desk's answer back; nothing is
// decided here but that only root may speak.

#include <optional>

#include "agentd/api/router.h"
#include "agentd/server/ipc_server.h"
#include "agentd/service/run_waiters.h"
#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"

namespace secrets::server {

/// Where the asks of steps go that the agent does not answer by itself: on a node of a hub.
class AsksElsewhere {
  public:
    /// `is_gone`: whether nobody waits for the answer any more.
    virtual asio::awaitable<service::GrantAnswer> ask(plugin_protocol::GrantRequest request,
                                                      api::IsGone is_gone) = 0;

  protected:
    AsksElsewhere() = default;
    AsksElsewhere(const AsksElsewhere&) = default;
    AsksElsewhere& operator=(const AsksElsewhere&) = default;
    ~AsksElsewhere() = default;
};

/// Must outlive the loop's run.
class NodeServer {
  public:
    /// `shared`: where what the services answers from lies; null: here alone. `elsewhere`: null
    /// where this agent's services answers asks. Both must outlive the door.
    NodeServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
               service::RunWaiters& waiters, service::SharedStore* shared,
               AsksElsewhere* elsewhere);

    /// Takes no further connection, and finishes the requests that came. Asks that wait for a push
    /// must be let go, by the waiters: their plugins try again.
    void stop() { door_.stop(); }

    void end_silent() { door_.end_silent(); }

  private:
    asio::awaitable<void> answer(int fd, plugin_protocol::Request request);
    void hand_over(int fd, const vault::Delivery& delivery, const std::string& note);
    asio::awaitable<std::optional<RunId>> answer_ask(int fd,
                                                     const plugin_protocol::GrantRequest& request,
                                                     service::GrantAnswer& answer);
    asio::awaitable<service::GrantAnswer> ask_desk(int fd, plugin_protocol::GrantRequest request);
    asio::awaitable<service::GrantAnswer> wait_for_run(int fd,
                                                       plugin_protocol::GrantRequest request);

    service::Services& services_;
    service::SharedStore* shared_;
    AsksElsewhere* elsewhere_;
    service::RunWaiters& waiters_;
    IpcServer door_;
};

}  // namespace secrets::server
