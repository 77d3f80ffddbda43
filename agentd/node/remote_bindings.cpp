// SPDX-License-Identifier: Apache-2.0
#include "agentd/node/remote_bindings.h"

#include "agentd/api/binding_body.h"

namespace secrets::node {
namespace {

namespace asio = boost::asio;

/// Less than the plugin waits.
constexpr auto kPatience = std::chrono::milliseconds(1600);

}  // namespace

asio::awaitable<Status> RemoteBindings::bind(service::RunBinding binding) {
    const api::NodeBindingRequest head{std::move(binding), node_.text()};
    net::HttpsRequest request{"POST", "/v1/heads", api::print_binding(head)};
    const auto response =
        co_await client_.ask(std::move(request), HubClient::Clock::now() + kPatience);
    if (!response.ok()) co_return Status::unavailable(response.status().message());
    if (response->status == 204) co_return Status();
    if (response->status == 404 && response->detail.starts_with("there is no path ")) {
        co_return Status(StatusCode::permission_denied,
                         "the hub is older than this node and cannot end a run with its head job; "
                         "upgrade the hub");
    }
    const bool may_succeed_later = response->status >= 500;
    co_return Status(may_succeed_later ? StatusCode::unavailable : StatusCode::permission_denied,
                     response->detail);
}

}  // namespace secrets::node
