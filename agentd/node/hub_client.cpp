// SPDX-License-Identifier: Apache-2.0
#include "agentd/node/hub_client.h"

#include "agentd/api/grant_body.h"
#include "common/auth/hub_request.h"
#include "common/auth/sha256.h"
#include "common/base/text_encoding.h"

namespace secrets::node {
namespace {

namespace asio = boost::asio;

/// Limit for a connection and its handshake if there is another hub to turn to.
constexpr auto kConnect = std::chrono::milliseconds(1500);

constexpr auto kFirstPause = std::chrono::milliseconds(100);
constexpr auto kLongestPause = std::chrono::milliseconds(1600);

/// Part of a request's time that is reserved for finding another hub, if there is one.
constexpr auto kForOthers = std::chrono::milliseconds(2000);

constexpr std::size_t kMaxIdle = 2;  ///< idle connections to one hub

/// Returns whether another hub could not have a better answer. What a hub refuses for a reason of
/// its own (it knows other accounts, or a proxy answers for it), another one may grant.
bool is_final(const net::HttpsResponse& answer) {
    if (answer.status < 400) return true;
    return api::is_grant_denied(answer.status, answer.body.view().bytes());
}

}  // namespace

HubClient::HubClient(asio::io_context& loop, const Hub& hub,
                     std::unique_ptr<asio::ssl::context> context)
    : context_(std::move(context)), pauses_(kFirstPause, kLongestPause), contacts_(hub.urls) {
    for (const HttpsUrl& url : hub.urls) {
        hubs_.emplace_back(loop, *context_, url, kMaxIdle,
                           [this](const HttpsUrl& asked, const net::HttpsRequest& request) {
                               return authorize(asked, request);
                           });
    }
}

void HubClient::stop() {
    stopped_ = true;
    for (net::HttpsClient& hub : hubs_) hub.stop();
    pauses_.end();
}

asio::awaitable<HubClient::Result> HubClient::ask(net::HttpsRequest request,
                                                  Clock::time_point deadline) {
    const auto patience = deadline - Clock::now();
    const auto may_wait_until = Clock::now() + request.wait;
    const auto last = deadline + request.wait;
    std::string why;
    std::optional<net::HttpsResponse> second_best;
    for (unsigned round = 0; !stopped_; ++round) {
        why.clear();
        std::size_t refused = 0;
        const std::size_t first = preferred_;
        for (std::size_t i = 0; i < hubs_.size() && !stopped_; ++i) {
            const std::size_t which = (first + i) % hubs_.size();
            const auto left = static_cast<int>(hubs_.size() - i);
            const auto soon = Clock::now() + (deadline - Clock::now()) / left;
            net::HttpsResponse answer;
            const auto failure = co_await hubs_[which].ask(request, answer, until(request, soon));
            note(which, failure, answer);
            if (failure.ok()) {
                preferred_ = which;
                if (is_final(answer)) co_return answer;
                const bool is_denial = answer.status < 500;
                const bool has_waited = request.wait.count() > 0 && Clock::now() >= may_wait_until;
                // The hub says that no run came, and no time is left to wait at another one.
                if (is_denial && has_waited) co_return answer;
                if (is_denial) ++refused;
                if (!second_best || !is_denial) second_best = std::move(answer);
                continue;
            }
            why += (why.empty() ? "" : "; ") + hubs_[which].url().text + ": " + failure.message();
            if (Clock::now() <= soon || request.wait.count() == 0) continue;
            // The connection was lost in the wait for a run: the other hubs still have time.
            deadline = std::min(Clock::now() + patience, last);
            const auto wait = std::max(may_wait_until - Clock::now(), Clock::duration::zero());
            request.wait = std::chrono::duration_cast<std::chrono::milliseconds>(wait);
        }
        // A hub that refuses will do so again; one that is busy or restarts may soon grant it.
        if (refused == hubs_.size()) break;
        const auto time = pauses_.after(round);
        if (Clock::now() + time >= deadline) break;
        co_await pauses_.sleep(time);
    }
    if (second_best) co_return std::move(*second_best);
    co_return Status::failed(stopped_ ? "the agent is shutting down" : std::move(why));
}

asio::awaitable<HubClient::Result> HubClient::ask_hub(std::size_t which, net::HttpsRequest request,
                                                      Clock::time_point deadline) {
    net::HttpsResponse answer;
    const auto failure = co_await hubs_[which].ask(request, answer, until(request, deadline));
    note(which, failure, answer);
    if (!failure.ok()) co_return Status::failed(hubs_[which].url().text + ": " + failure.message());
    co_return answer;
}

/// Notes the outcome of a request of this agent itself. A hub's 401 is about this host; other
/// refusals may be about one job.
void HubClient::note(std::size_t hub, const Status& failure, const net::HttpsResponse& answer) {
    if (stopped_) return;
    if (!failure.ok()) return contacts_.note_silence(hub, failure);
    contacts_.note_answer(hub, answer, hubs_[hub].certificate_end());
    if (answer.status < 400) contacts_.note_refusal(hub, "");
    if (answer.status == 401) contacts_.note_refusal(hub, answer.detail);
}

asio::awaitable<void> HubClient::check_munge() {
    static_cast<void>(co_await munge_.encode("check"));
}

net::HttpsClient::Until HubClient::until(const net::HttpsRequest& request,
                                         Clock::time_point deadline) const {
    const auto soon = hubs_.size() > 1 ? std::min(deadline, Clock::now() + kConnect) : deadline;
    return {soon, deadline + request.wait};
}

/// Creates a credential for one request: munged on the hub rejects a second use.
asio::awaitable<StatusOr<std::string>> HubClient::authorize(const HttpsUrl& url,
                                                            const net::HttpsRequest& request) {
    const Digest digest = sha256_of(std::as_bytes(std::span(request.body)));
    // Made in a statement of its own: GCC 12 destroys such a temporary of a co_await twice.
    const HubRequest made_for{url.host, request.method, request.target, to_hex(digest)};
    auto credential = co_await munge_.encode(print_hub_request(made_for));
    if (!credential) co_return credential.status();
    co_return "Munge " + *credential;
}

asio::awaitable<std::variant<net::HttpsResponse, HubClient::Moved, Status>> HubClient::pass_on(
    net::HttpsRequest request, Clock::time_point deadline) {
    if (stopped_) co_return Status::failed("the agent is shutting down");
    const std::size_t first = preferred_;
    const auto soon = hubs_.size() > 1 ? deadline - kForOthers : deadline;
    net::HttpsResponse answer;
    // On a new connection: a reused one may break after the hub has seen the request.
    auto failure = co_await hubs_[first].ask_once(request, answer, until(request, soon));
    if (failure.ok()) {
        contacts_.note_answer(first, answer, hubs_[first].certificate_end());
        co_return answer;
    }
    contacts_.note_silence(first, failure);
    if (preferred_ != first) co_return Moved{};
    std::string why = hubs_[first].url().text + ": " + failure.message();
    for (std::size_t i = 1; i < hubs_.size() && !stopped_; ++i) {
        net::HttpsClient& hub = hubs_[(first + i) % hubs_.size()];
        failure = co_await hub.reach(std::min(deadline, Clock::now() + kConnect));
        if (failure.ok()) {
            preferred_ = (first + i) % hubs_.size();
            co_return Moved{};
        }
        why += "; " + hub.url().text + ": " + failure.message();
    }
    co_return Status::failed(stopped_ ? "the agent is shutting down" : std::move(why));
}

}  // namespace secrets::node
