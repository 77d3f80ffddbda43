// SPDX-License-Identifier: Apache-2.0
#pragma once
// What people and platforms ask of a node's control door is the hub's to answer.

#include "agentd/api/hub_proxy_interface.h"
#include "agentd/node/hub_client.h"

namespace secrets::node {

/// Must outlive the loop's run.
class HubProxy final : public api::HubProxyInterface {
  public:
    /// `client` must outlive it.
    explicit HubProxy(HubClient& client) : client_(client) {}

    std::string challenge() const override;
    api::HttpResponse pass_on(api::ProxiedHead head, std::span<const std::byte> body) override;

  private:
    boost::asio::awaitable<api::HttpResponse> answer(net::HttpsRequest request);
    api::HttpResponse take(net::HttpsResponse answer) const;

    HubClient& client_;
};

}  // namespace secrets::node
