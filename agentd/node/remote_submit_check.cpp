// SPDX-License-Identifier: Apache-2.0
#include "agentd/node/remote_submit_check.h"

#include "agentd/api/check_body.h"

namespace secrets::node {
namespace {

namespace asio = boost::asio;

/// Less than the second that a submitting command waits.
constexpr auto kPatience = std::chrono::milliseconds(900);

}  // namespace

asio::awaitable<std::string> RemoteSubmitCheck::why_not_submit(Uid uid, std::string ask) {
    const api::SubmitCheckRequest check{uid, std::move(ask), node_};
    net::HttpsRequest request{"POST", "/v1/checks", api::print_check(check)};
    const auto told = co_await client_.ask(std::move(request), HubClient::Clock::now() + kPatience);
    if (!told.ok()) co_return "";
    refused_.note(told->status == 403 ? told->detail : "");
    if (told->status != 200) co_return "";
    co_return api::sentence_in_verdict(told->body.view().bytes());
}

}  // namespace secrets::node
