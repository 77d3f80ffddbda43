// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves the job socket: what any local user may request in the plugin protocol
// (common/ipc/plugin_protocol.h). The kernel identifies the user, and slurmd the job of the
// process; messages hold only names and keyed hashes. Values that a process of a job requests go
// by a descriptor.

#include <functional>
#include <string>

#include "agentd/server/ipc_server.h"
#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"

namespace secrets::server {

/// Checks a submission on a node of a hub, where the agent does not answer it itself. Returns why a
/// job of `uid` with the secret spec `spec` would be denied; empty if it would not be denied, or if
/// nobody can tell in time.
using CheckAtHub = std::function<asio::awaitable<std::string>(Uid uid, std::string spec)>;

/// Reads a grant of a job on a node of a hub, where the agent does not resolve specs itself.
/// Returns all values of the grant as they are now.
using ReadAtHub = std::function<asio::awaitable<StatusOr<vault::Delivery>>(
    plugin_protocol::GrantRequest request)>;

/// Returns the job to which a process of this host belongs, or slurm_query::kNoJob.
using FindJob = std::function<asio::awaitable<StatusOr<JobId>>(Peer process)>;

/// Must outlive the loop's run.
class JobServer {
  public:
    /// `shared`: the store behind the services; null: local data only, and must outlive the server.
    /// `at_hub` and `read_at_hub`: null if this agent's services answer.
    JobServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
              service::SharedStore* shared, CheckAtHub at_hub, ReadAtHub read_at_hub,
              FindJob find_job);

    void stop() { server_.stop(); }
    void end_silent() { server_.end_silent(); }

  private:
    asio::awaitable<void> answer(int fd, Peer peer, plugin_protocol::Request request);

    asio::awaitable<Status> send_marker(int fd, Peer peer);
    asio::awaitable<void> answer_get(int fd, Peer peer, plugin_protocol::GetRequest get);
    asio::awaitable<StatusOr<JobId>> job_of(int fd, Peer peer);
    asio::awaitable<Status> send_values(int fd, service::JobRead request,
                                        std::chrono::milliseconds patience);
    asio::awaitable<StatusOr<vault::Delivery>> read_part(const service::JobRead& request,
                                                         const service::WantedPart& part,
                                                         std::chrono::milliseconds patience);
    asio::awaitable<std::string> why_not_submit(Uid uid, std::string spec);

    service::Services& services_;
    service::SharedStore* shared_;
    CheckAtHub at_hub_;
    ReadAtHub read_at_hub_;
    FindJob find_job_;
    IpcServer server_;
};

}  // namespace secrets::server
