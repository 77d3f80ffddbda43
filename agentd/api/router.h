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

/// Decides by the head only: returns a route's handler, to which the body is then given, or the
/// error response. A request rejected by its head costs no byte of a body.
class Router {
  public:
    using Handler = std::function<HttpResponse(std::span<const std::byte> body)>;
    using Decision = std::variant<Handler, HttpResponse>;
    /// Decides on a request that another agent answers. The head need not outlive the call.
    using Forward = std::function<Decision(const RequestHead& head)>;

    /// `routes`: the whole table. `forward`: null if the services answer all routes, else for every
    /// route that is not about this agent. `shared`: the store behind the services; null: local
    /// data only. Services and store must outlive the router.
    Router(service::Services& services, std::vector<Route> routes, Forward forward = nullptr,
           service::SharedStore* shared = nullptr)
        : services_(services),
          routes_(std::move(routes)),
          forward_(std::move(forward)),
          shared_(shared) {}

    /// Refreshes the shared data that find() and its handler answer from; returns the error
    /// response if that fails. To be awaited just before find().
    boost::asio::awaitable<std::optional<HttpResponse>> refresh(const RequestHead& head);

    Decision find(const RequestHead& head);

    /// Returns whether the request's route is one for hosts.
    bool is_for_hosts(const RequestHead& head);

  private:
    struct Found;
    std::variant<Found, HttpResponse> route_of(const RequestHead& head);
    Handler shared_change(Found found) const;

    service::Services& services_;
    std::vector<Route> routes_;
    Forward forward_;
    service::SharedStore* shared_;
};

}  // namespace secrets::api
