// SPDX-License-Identifier: Apache-2.0
#pragma once
// Maps method and path to a request by one table, and each request to a service call. Knows no
// socket.

#include <variant>

#include "agentd/api/route.h"

namespace secrets::service {
class SharedStore;
}  // namespace secrets::service

namespace secrets::api {

class HubProxyInterface;

/// Decides by the head only: returns a route's handler, to which the body is then given, or the
/// error response. A request rejected by its head costs no byte of a body.
class Router {
  public:
    /// `routes`: the whole table. `relay`: takes what another agent answers; null where the
    /// services answers all. `shared`: where what the services answers from lies; null: here alone.
    /// All must outlive the routes.
    Router(service::Services& services, std::vector<Route> routes,
           HubProxyInterface* relay = nullptr, service::SharedStore* shared = nullptr)
        : services_(services), routes_(std::move(routes)), relay_(relay), shared_(shared) {}

    /// Refreshes the shared data that find() and its handler answer from; returns the error
    /// response if that fails. To be awaited just before find().
    boost::asio::awaitable<std::optional<HttpResponse>> refresh(const RequestHead& head);

    using Handler = std::function<HttpResponse(std::span<const std::byte> body)>;
    std::variant<Handler, HttpResponse> find(const RequestHead& head);

  private:
    struct Found;
    std::variant<Found, HttpResponse> route_of(const RequestHead& head);
    Handler shared_change(Found found) const;

    service::Services& services_;
    std::vector<Route> routes_;
    HubProxyInterface* relay_;
    service::SharedStore* shared_;
};

}  // namespace secrets::api
