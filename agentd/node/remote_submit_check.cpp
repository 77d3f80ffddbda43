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
    const auto* answer = told.ok() ? &*told : nullptr;
    if (answer == nullptr) co_return "";
    refused_.note(answer->status == 403 ? answer->detail : "");
    if (answer->status != 200) co_return "";
    co_return api::sentence_in_verdict(answer->body.view().bytes());
}

}  // namespace secrets::node
