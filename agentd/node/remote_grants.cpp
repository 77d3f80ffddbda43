// SPDX-License-Identifier: Apache-2.0
#include "agentd/node/remote_grants.h"

#include "agentd/api/grant_body.h"
#include "agentd/base/scope_exit.h"
#include "agentd/service/grant_requests.h"

namespace secrets::node {
namespace {

namespace asio = boost::asio;

/// How long what a hub answered is given to processes of the job without asking again.
constexpr auto kFresh = std::chrono::milliseconds(500);

/// Returns the part of a hub's share of the time that the hub may use; the rest is for the network.
std::chrono::milliseconds patience_of_hub(std::chrono::steady_clock::duration share) {
    const auto part = std::chrono::duration_cast<std::chrono::milliseconds>(share * 3 / 4);
    return std::min(part, api::kMaxPatience);
}

StatusCode reason_of(unsigned status) {
    switch (status) {
        case 400:
            return StatusCode::invalid_argument;
        case 403:
            return StatusCode::permission_denied;
        case 404:
            return StatusCode::not_found;
        case 413:
            return StatusCode::too_large;
        default:
            return StatusCode::unavailable;
    }
}

}  // namespace

asio::awaitable<service::GrantAnswer> RemoteGrants::ask(plugin_protocol::GrantRequest request,
                                                        api::IsGone is_gone) {
    node_.learn(request.node);
    auto at_once = services_.cached_grants.check_before_hub(request);
    if (at_once) co_return std::move(*at_once);
    auto [answer, tag] = co_await ask_hub(request);
    // A job that was cancelled meanwhile, and may have had its epilog, must not be given a hold.
    if (is_gone()) co_return service::Nothing{};
    if (!answer.ok()) {
        co_return without_hub(request, "no hub answered: " + answer.status().message());
    }
    co_return take(request, tag, *answer);
}

/// Requests the grant from the hub, or whether the earlier one is still right.
asio::awaitable<RemoteGrants::HubAnswer> RemoteGrants::ask_hub(
    plugin_protocol::GrantRequest request) {
    const vault::CachedGrant* held = services_.cached_grants.find_cached_grant(request);
    std::string tag = held != nullptr ? held->tag : "";
    const auto patience = plugin_protocol::time_to_answer(request);
    net::HttpsRequest to_hub{
        "POST", "/v1/grants",
        api::print_grant({request, node_.text(), patience_of_hub(client_.share_of(patience))}), tag,
        std::chrono::milliseconds(request.wait_milliseconds)};
    auto response = co_await client_.ask(std::move(to_hub), HubClient::Clock::now() + patience);
    if (response.ok()) granted_ = granted_ || response->status == 200;
    HubAnswer answer{std::move(response), std::move(tag)};
    co_return answer;
}

/// Tells whether the cached grant was the hub's a moment ago: a process may ask at any rate, and
/// the hub is to hear of few of its questions.
bool RemoteGrants::is_fresh(const plugin_protocol::GrantRequest& request) {
    const auto now = Clock::now();
    std::erase_if(read_, [now](const auto& entry) { return entry.second + kFresh < now; });
    return read_.contains({request.job, request.ask}) &&
           services_.cached_grants.find_cached_grant(request) != nullptr;
}

/// Waits for the end of a question about the grant that another process asks at the moment. Returns
/// whether the grant is cached then: what that process was given.
asio::awaitable<bool> RemoteGrants::joined(const plugin_protocol::GrantRequest& request) {
    const Grant grant{request.job, request.ask};
    const auto until = Clock::now() + plugin_protocol::time_to_answer(request);
    bool has_waited = false;
    while (open_.contains(grant) && !is_fresh(request) && Clock::now() < until) {
        has_waited = true;
        co_await answered_.wait(until);
        if (!open_.contains(grant)) break;
    }
    if (!has_waited) co_return false;
    co_return services_.cached_grants.find_cached_grant(request) != nullptr;
}

asio::awaitable<StatusOr<vault::Delivery>> RemoteGrants::read(
    plugin_protocol::GrantRequest request) {
    const bool is_joined = co_await joined(request);
    if (is_joined || is_fresh(request)) co_return services_.cached_grants.read(request);
    const Grant grant{request.job, request.ask};
    if (!open_.insert(grant).second) co_return Status::unavailable("no hub answered in time");
    const ScopeExit end([this, &grant] {
        open_.erase(grant);
        answered_.wake();
    });
    auto answer = co_await ask_hub(request);
    const bool is_known =
        answer.response.ok() && (answer.response->status == 200 || answer.response->status == 304);
    if (is_known) read_[grant] = Clock::now();
    co_return take_values(request, answer);
}

StatusOr<vault::Delivery> RemoteGrants::take_values(const plugin_protocol::GrantRequest& request,
                                                    HubAnswer& answer) {
    Status why = Status::unavailable("no hub answered: " + answer.response.status().message());
    if (answer.response.ok()) {
        net::HttpsResponse& response = *answer.response;
        if (response.status == 200) {
            return services_.cached_grants.renew(request, response.etag, response.body.view());
        }
        if (response.status == 204) return services_.context.vault.deliver({});
        why = {reason_of(response.status), response.detail};
        if (api::is_grant_denied(response.status, response.body.view().bytes())) {
            return services_.cached_grants.denied_by_hub(request, answer.tag, std::move(why));
        }
    }
    if (services_.cached_grants.find_cached_grant(request) == nullptr) return why;
    return services_.cached_grants.read(request);
}

/// `tag`: of the earlier grant that the hub was asked about.
service::GrantAnswer RemoteGrants::take(const plugin_protocol::GrantRequest& request,
                                        const std::string& tag, net::HttpsResponse& answer) {
    switch (answer.status) {
        case 200:
            return services_.cached_grants.accept_cached_grant(
                request, answer.etag, answer.body.view(), std::move(answer.note));
        case 204:
            return service::Nothing{};
        case 304:
            if (services_.cached_grants.find_cached_grant(request) != nullptr) {
                return services_.cached_grants.deliver_cached_grant_again(request, "");
            }
            return without_hub(request, "the cached grant was wiped in the meantime");
        default:
            if (api::is_grant_denied(answer.status, answer.body.view().bytes())) {
                return services_.cached_grants.denied_by_hub(
                    request, tag, {reason_of(answer.status), answer.detail});
            }
            return without_hub(request, answer.detail, reason_of(answer.status));
    }
}

/// Delivers the job's earlier grant again, if there is one, and else denies the request.
service::GrantAnswer RemoteGrants::without_hub(const plugin_protocol::GrantRequest& request,
                                               const std::string& why, StatusCode code) {
    if (services_.cached_grants.find_cached_grant(request) != nullptr) {
        return services_.cached_grants.deliver_cached_grant_again(request,
                                                                  " (cached grant; " + why + ")");
    }
    return service::grant_requests::deny(request, "", {code, why});
}

}  // namespace secrets::node
