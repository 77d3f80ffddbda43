// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers grant requests on a node: from its hub, or from earlier grants if no hub answers.

#include <map>
#include <set>
#include <string>
#include <utility>

#include "agentd/api/http_message.h"
#include "agentd/net/async_condition.h"
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

    /// Returns all values of a grant of the job, as they are at the hub now, or as they were in the
    /// last half second; what is cached if no hub answers. However many processes ask, the hub
    /// hears of at most one question at a time about a grant.
    boost::asio::awaitable<StatusOr<vault::Delivery>> read(plugin_protocol::GrantRequest request);

    /// Returns whether the hub has granted something since the last call.
    bool take_granted() { return std::exchange(granted_, false); }

  private:
    using Clock = std::chrono::steady_clock;
    using Grant = std::pair<JobId, std::string>;
    /// A hub's answer, and the tag of the earlier grant that the hub was asked about.
    struct HubAnswer {
        HubClient::Result response;
        std::string tag;
    };

    boost::asio::awaitable<HubAnswer> ask_hub(plugin_protocol::GrantRequest request);
    boost::asio::awaitable<bool> joined(const plugin_protocol::GrantRequest& request);
    bool is_fresh(const plugin_protocol::GrantRequest& request);
    StatusOr<vault::Delivery> take_values(const plugin_protocol::GrantRequest& request,
                                          HubAnswer& answer);
    service::GrantAnswer take(const plugin_protocol::GrantRequest& request, const std::string& tag,
                              net::HttpsResponse& answer);
    service::GrantAnswer without_hub(const plugin_protocol::GrantRequest& request,
                                     const std::string& why,
                                     StatusCode code = StatusCode::unavailable);

    HubClient& client_;
    service::Services& services_;
    NodeName node_;
    bool granted_ = false;
    std::map<Grant, Clock::time_point> read_;  ///< lately, from the hub
    std::set<Grant> open_;                     ///< about which the hub is asked for read() now
    net::AsyncCondition answered_;             ///< a question of `open_`
};

}  // namespace secrets::node
