// SPDX-License-Identifier: Apache-2.0
#pragma once
// Passes requests that people and platforms make at a node's control socket on to a hub.

#include "agentd/api/hub_proxy_interface.h"
#include "agentd/node/hub_client.h"

namespace secrets::node {

/// Must outlive the loop's run.
class HubProxy final : public api::HubProxyInterface {
  public:
    /// `client` must outlive the proxy.
    explicit HubProxy(HubClient& client) : client_(client) {}

    std::string challenge() const override;
    api::HttpResponse pass_on(api::ProxiedHead head, std::span<const std::byte> body) override;

  private:
    boost::asio::awaitable<api::HttpResponse> answer(net::HttpsRequest request);
    api::HttpResponse take(net::HttpsResponse answer) const;

    HubClient& client_;
};

}  // namespace secrets::node
