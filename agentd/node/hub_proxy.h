// SPDX-License-Identifier: Apache-2.0
#pragma once
// Passes requests that people and platforms make at a node's control socket on to a hub.

#include "agentd/api/router.h"
#include "agentd/node/hub_client.h"

namespace secrets::node {

/// Must outlive the loop's run.
class HubProxy {
  public:
    /// `client` must outlive the proxy.
    explicit HubProxy(HubClient& client) : client_(client) {}

    /// Forwards a request as received, if the request identifies its caller: the hub attributes
    /// the request to the user that its munge credential names, and its response comes later. Else
    /// returns the challenge: a credential is valid for one hub, which the challenge names.
    api::Router::Decision forward(const api::RequestHead& head);

  private:
    std::string challenge() const;
    boost::asio::awaitable<api::HttpResponse> answer(net::HttpsRequest request);
    api::HttpResponse take(net::HttpsResponse answer) const;

    HubClient& client_;
};

}  // namespace secrets::node
