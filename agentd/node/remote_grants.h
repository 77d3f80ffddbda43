// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers grant requests on a node: from its hub, or from earlier grants if no hub answers.

#include <utility>

#include "agentd/node/hub_client.h"
#include "agentd/server/node_server.h"
#include "agentd/service/services.h"

namespace secrets::node {

/// Must outlive the loop's run.
class RemoteGrants final : public server::AsksElsewhere {
  public:
    /// `client` and `services` must outlive it.
    RemoteGrants(HubClient& client, service::Services& services, std::string node)
        : client_(client), services_(services), node_(std::move(node)) {}

    boost::asio::awaitable<service::GrantAnswer> ask(plugin_protocol::GrantRequest request,
                                                     api::IsGone is_gone) override;

    /// Returns whether the hub has granted something since the last call.
    bool take_granted() { return std::exchange(granted_, false); }

  private:
    service::GrantAnswer take(const plugin_protocol::GrantRequest& request,
                              net::HttpsResponse& answer);
    service::GrantAnswer without_hub(const plugin_protocol::GrantRequest& request,
                                     const std::string& why);

    HubClient& client_;
    service::Services& services_;
    std::string node_;
    bool granted_ = false;
};

}  // namespace secrets::node
