#include "agentd/node/hub_proxy.h"

#include <algorithm>

namespace secrets::cluster {
namespace {

namespace asio = boost::asio;
using doors::HttpAnswer;

/// A person waits.
constexpr auto kPatience = std::chrono::seconds(5);

}  // namespace

std::string HubRelay::challenge() const {
    return "Munge hub=\"" + client_.host() + "\"";
}

HttpAnswer HubRelay::pass_on(doors::RelayedHead head, std::span<const std::byte> body) {
    // std::function copies what it holds.
    const auto request = std::make_shared<HttpsRequest>();
    request->method = std::move(head.method);
    request->target = std::move(head.target);
    request->content_type = std::move(head.content_type);
    request->authorization = std::move(head.authorization);
    request->if_match = std::move(head.if_match);
    request->if_none_match = std::move(head.if_none_match);
    request->secret = SecretBuffer(body.size());
    std::copy(body.begin(), body.end(), request->secret.bytes().begin());
    HttpAnswer answer;
    answer.later = [this, request](const doors::IsGone&) {
        return this->answer(std::move(*request));
    };
    return answer;
}

asio::awaitable<HttpAnswer> HubRelay::answer(HttpsRequest request) {
    auto told = co_await client_.pass_on(std::move(request), HubClient::Clock::now() + kPatience);
    if (auto* answer = std::get_if<HttpsAnswer>(&told)) co_return take(std::move(*answer));
    if (const auto* error = std::get_if<Error>(&told)) {
        co_return doors::problem(504, "no hub answers: " + error->sentence);
    }
    HttpAnswer moved = doors::problem(
        401, "the hub that the munge credential was made for does not answer, and another does");
    moved.challenge = challenge();
    co_return moved;
}

/// The hub's answer as it is. Where it took the credential for another hub's, the client is told
/// which hub it would be asked now.
HttpAnswer HubRelay::take(HttpsAnswer answer) const {
    HttpAnswer passed{answer.status, std::move(answer.content_type), ""};
    passed.allow = std::move(answer.allow);
    passed.etag = std::move(answer.etag);
    passed.retry_after = answer.retry_after;
    passed.note = std::move(answer.note);
    passed.secret = std::move(answer.body);
    if (answer.status == 401) passed.challenge = challenge();
    return passed;
}

}  // namespace secrets::cluster
