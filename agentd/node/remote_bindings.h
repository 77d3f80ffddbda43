// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asks the hub to end a run with its head job, which runs on this node.

#include "agentd/node/hub_client.h"
#include "agentd/node/node_name.h"
#include "agentd/service/run_end_service.h"

namespace secrets::node {

/// Must outlive the loop's run.
class RemoteBindings {
  public:
    /// `client` must outlive it.
    RemoteBindings(HubClient& client, NodeName node) : client_(client), node_(std::move(node)) {}

    boost::asio::awaitable<Status> bind(service::RunBinding binding);

  private:
    HubClient& client_;
    NodeName node_;
};

}  // namespace secrets::node
