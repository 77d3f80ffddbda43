// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves the job socket: what any local user may request in the plugin protocol
// (common/ipc/plugin_protocol.h). The kernel identifies the user; messages hold only names.

#include "agentd/server/ipc_server.h"
#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"

namespace secrets::server {

/// Interface for checks that the agent does not answer itself: on a node of a hub.
class ChecksElsewhere {
  public:
    /// Returns why a job of `uid` with the secret spec would be denied; empty if it would not
    /// be denied, or if nobody can tell in time.
    virtual asio::awaitable<std::string> why_not_submit(Uid uid, std::string spec) = 0;

  protected:
    ChecksElsewhere() = default;
    ChecksElsewhere(const ChecksElsewhere&) = default;
    ChecksElsewhere& operator=(const ChecksElsewhere&) = default;
    ~ChecksElsewhere() = default;
};

/// Must outlive the loop's run.
class JobServer {
  public:
    /// `shared`: where what the services answers from lies; null: here alone. `elsewhere`: null
    /// where this agent's services answers checks. Both must outlive the server.
    JobServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
              service::SharedStore* shared, ChecksElsewhere* elsewhere);

    void stop() { server_.stop(); }
    void end_silent() { server_.end_silent(); }

  private:
    asio::awaitable<void> answer(int fd, Peer peer, plugin_protocol::Request request);

    asio::awaitable<std::string> why_not_submit(Uid uid, std::string spec);

    service::Services& services_;
    service::SharedStore* shared_;
    ChecksElsewhere* elsewhere_;
    IpcServer server_;
};

}  // namespace secrets::server
