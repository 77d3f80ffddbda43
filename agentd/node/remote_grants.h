#pragma once
// A node's answers to asks: what its hub grants, and what it granted before where no hub answers.

#include <utility>

#include "agentd/node/hub_client.h"
#include "agentd/server/node_server.h"
#include "agentd/service/desk.h"

namespace secrets::cluster {

/// Must outlive the loop's run.
class HubAsks final : public doors::AsksElsewhere {
  public:
    /// `client` and `desk` must outlive it.
    HubAsks(HubClient& client, desk::Desk& desk, std::string node)
        : client_(client), desk_(desk), node_(std::move(node)) {}

    boost::asio::awaitable<desk::AskAnswer> ask(wire::AskRequest request,
                                                doors::IsGone is_gone) override;

    /// Whether the hub has granted something since this was asked last.
    bool take_granted() { return std::exchange(granted_, false); }

  private:
    desk::AskAnswer take(const wire::AskRequest& request, HttpsAnswer& answer);
    desk::AskAnswer without_hub(const wire::AskRequest& request, const std::string& why);

    HubClient& client_;
    desk::Desk& desk_;
    std::string node_;
    bool granted_ = false;
};

}  // namespace secrets::cluster
