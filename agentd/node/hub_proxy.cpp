// SPDX-License-Identifier: Apache-2.0
#include "agentd/node/hub_proxy.h"

#include <algorithm>
#include <variant>

namespace secrets::node {
namespace {

namespace asio = boost::asio;
using api::HttpResponse;

/// Limit for one request: a person waits.
constexpr auto kPatience = std::chrono::seconds(5);

}  // namespace

std::string HubProxy::challenge() const {
    return "Munge hub=\"" + client_.host() + "\"";
}

api::Router::Decision HubProxy::forward(const api::RequestHead& head) {
    if (head.authorization.empty()) {
        HttpResponse answer = api::problem(
            401, "this agent passes requests on to a hub, which needs a munge credential");
        answer.challenge = challenge();
        return answer;
    }
    // std::function copies its captures.
    const auto request = std::make_shared<net::HttpsRequest>();
    request->method = head.method;
    request->target = head.target;
    request->content_type = head.content_type;
    request->authorization = head.authorization;
    request->if_match = head.if_match;
    request->if_none_match = head.if_none_match;
    return api::Router::Handler([this, request](std::span<const std::byte> body) {
        request->secret = SecretBuffer(body.size());
        std::copy(body.begin(), body.end(), request->secret.bytes().begin());
        HttpResponse answer;
        answer.later = [this, request](const api::IsGone&) {
            return this->answer(std::move(*request));
        };
        return answer;
    });
}

asio::awaitable<HttpResponse> HubProxy::answer(net::HttpsRequest request) {
    auto result = co_await client_.pass_on(std::move(request), HubClient::Clock::now() + kPatience);
    if (auto* answer = std::get_if<net::HttpsResponse>(&result)) co_return take(std::move(*answer));
    if (const auto* error = std::get_if<Status>(&result)) {
        co_return api::problem(504, "no hub answered: " + error->message());
    }
    HttpResponse moved = api::problem(
        401,
        "the hub that the munge credential was created for does not answer, but another hub does; "
        "retry with a new credential");
    moved.challenge = challenge();
    co_return moved;
}

/// Returns the hub's response unchanged. If the hub took the credential for another hub's, the
/// client is told which hub would be asked now.
HttpResponse HubProxy::take(net::HttpsResponse answer) const {
    HttpResponse passed{answer.status, std::move(answer.content_type), ""};
    passed.allow = std::move(answer.allow);
    passed.etag = std::move(answer.etag);
    passed.retry_after = answer.retry_after;
    passed.note = std::move(answer.note);
    passed.secret = std::move(answer.body);
    if (answer.status == 401) passed.challenge = challenge();
    return passed;
}

}  // namespace secrets::node
