// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers grant requests on a node: from its hub, or from earlier grants if no hub answers.

#include <utility>

#include "agentd/api/http_message.h"
#include "agentd/node/hub_client.h"
#include "agentd/node/node_name.h"
#include "agentd/service/services.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::node {

/// Must outlive the loop's run.
class RemoteGrants {
  public:
    /// `client` and `services` must outlive it.
    RemoteGrants(HubClient& client, service::Services& services, NodeName node)
        : client_(client), services_(services), node_(std::move(node)) {}

    /// `is_gone`: returns whether nobody waits for the answer any more.
    boost::asio::awaitable<service::GrantAnswer> ask(plugin_protocol::GrantRequest request,
                                                     api::IsGone is_gone);

    /// Returns whether the hub has granted something since the last call.
    bool take_granted() { return std::exchange(granted_, false); }

  private:
    service::GrantAnswer take(const plugin_protocol::GrantRequest& request, const std::string& tag,
                              net::HttpsResponse& answer);
    service::GrantAnswer without_hub(const plugin_protocol::GrantRequest& request,
                                     const std::string& why,
                                     StatusCode code = StatusCode::unavailable);

    HubClient& client_;
    service::Services& services_;
    NodeName node_;
    bool granted_ = false;
};

}  // namespace secrets::node
