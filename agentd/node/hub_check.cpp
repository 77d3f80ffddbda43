// SPDX-License-Identifier: Apache-2.0
#include "agentd/node/hub_check.h"

#include <unistd.h>

#include "agentd/api/check_body.h"

namespace secrets::node {
namespace {

namespace asio = boost::asio;

/// Limit for all hubs together: a person waits.
constexpr auto kPatience = std::chrono::milliseconds(2400);

/// A secret spec for which no user needs to be looked up.
constexpr const char* kNoSecrets = "none";

}  // namespace

asio::awaitable<void> HubCheck::run() {
    co_await client_.check_munge();
    for (std::size_t hub = 0; hub < client_.hubs(); ++hub) co_await check(hub);
}

asio::awaitable<void> HubCheck::check(std::size_t hub) {
    const api::SubmitCheckRequest question{Uid{geteuid()}, kNoSecrets, node_.text()};
    net::HttpsRequest request{"POST", "/v1/checks", api::print_check(question)};
    const auto until = HubClient::Clock::now() + client_.share_of(kPatience);
    const auto answer = co_await client_.ask_hub(hub, std::move(request), until);
    if (answer.ok()) client_.note_refusal(hub, answer->status == 200 ? "" : answer->detail);
}

}  // namespace secrets::node
