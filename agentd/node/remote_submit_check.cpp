// SPDX-License-Identifier: Apache-2.0
#include "agentd/node/remote_submit_check.h"

#include "agentd/api/check_body.h"

namespace secrets::node {
namespace {

namespace asio = boost::asio;

/// Less than the second that a submitting command waits.
constexpr auto kPatience = std::chrono::milliseconds(900);

}  // namespace

asio::awaitable<std::string> RemoteSubmitCheck::why_not_submit(Uid uid, std::string spec) {
    const api::SubmitCheckRequest check{uid, std::move(spec), node_.text()};
    net::HttpsRequest request{"POST", "/v1/checks", api::print_check(check)};
    const auto response =
        co_await client_.ask(std::move(request), HubClient::Clock::now() + kPatience);
    if (!response.ok()) co_return "";
    refused_.note(response->status == 403 ? response->detail : "");
    if (response->status != 200) co_return "";
    co_return api::sentence_in_verdict(response->body.view().bytes());
}

}  // namespace secrets::node
