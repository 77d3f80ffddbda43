// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asks the hubs on demand whether they serve this host.

#include "agentd/node/hub_client.h"
#include "agentd/node/node_name.h"

namespace secrets::node {

/// Sends each hub a submission check that requests nothing: the hub answers it only if it knows the
/// account of this agent and this host. The results are in the client's contacts. Must outlive the
/// loop's run.
class HubCheck {
  public:
    /// `client` must outlive the check. `node`: this host's name in slurm.conf.
    HubCheck(HubClient& client, NodeName node) : client_(client), node_(std::move(node)) {}

    boost::asio::awaitable<void> run();

  private:
    boost::asio::awaitable<void> check(std::size_t hub);

    HubClient& client_;
    NodeName node_;
};

}  // namespace secrets::node
