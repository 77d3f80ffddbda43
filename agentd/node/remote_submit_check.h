// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asks the hub whether a job that a user of this host is about to submit would get its secrets.

#include "agentd/audit/outage_log.h"
#include "agentd/node/hub_client.h"
#include "agentd/node/node_name.h"
#include "common/base/ids.h"

namespace secrets::node {

/// Must outlive the loop's run.
class RemoteSubmitCheck {
  public:
    /// `client` must outlive the check. `node`: this host's name, as in slurm.conf if it is a node.
    RemoteSubmitCheck(HubClient& client, NodeName node) : client_(client), node_(std::move(node)) {}

    /// Returns why a job of `uid` with the secret spec `spec` would be denied; empty if it would
    /// not be denied, or if no hub can tell in time.
    boost::asio::awaitable<std::string> why_not_submit(Uid uid, std::string spec);

  private:
    HubClient& client_;
    NodeName node_;
    audit::OutageLog refused_{"cannot check submissions at the hub; jobs are submitted unchecked: ",
                              "submissions are checked at the hub again"};
};

}  // namespace secrets::node
