#pragma once
// What people and platforms ask of a node's control door is the hub's to answer.

#include "agentd/api/hub_proxy_interface.h"
#include "agentd/node/hub_client.h"

namespace secrets::cluster {

/// Must outlive the loop's run.
class HubRelay final : public doors::Relay {
  public:
    /// `client` must outlive it.
    explicit HubRelay(HubClient& client) : client_(client) {}

    std::string challenge() const override;
    doors::HttpAnswer pass_on(doors::RelayedHead head, std::span<const std::byte> body) override;

  private:
    boost::asio::awaitable<doors::HttpAnswer> answer(HttpsRequest request);
    doors::HttpAnswer take(HttpsAnswer answer) const;

    HubClient& client_;
};

}  // namespace secrets::cluster
