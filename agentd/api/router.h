// SPDX-License-Identifier: Apache-2.0
#pragma once
// Maps method and path to a request by one table, and each request to a service call. Knows no
// socket.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/service/services.h"
#include "common/secure_memory/wipe.h"

namespace secrets::service {
class SharedStore;
}  // namespace secrets::service

namespace secrets::api {

class NodeApi;
class HubProxyInterface;

struct HttpResponse;
/// Returns whether the client that waits for a response has gone.
using IsGone = std::function<bool()>;
/// Produces a response that takes its time.
using DeferredResponse = std::function<boost::asio::awaitable<HttpResponse>(IsGone)>;

/// A response before it is HTTP. No body: only a status.
struct HttpResponse {
    unsigned status = 200;
    std::string content_type;
    std::string body;
    std::string allow{};  ///< the methods that the path accepts, with 405
    std::string etag{};   ///< the generation of what was read or changed; may be empty
    std::optional<std::chrono::seconds> retry_after{};  ///< with 503, if waiting may help
    std::string challenge{};   ///< with 401, how a request can identify its caller
    std::string note{};        ///< for the job; a line of ASCII
    SecretBuffer secret{};     ///< the body if it holds values; `body` is empty then
    DeferredResponse later{};  ///< if set, its result is the response
};

/// The origin of a request over TLS.
struct Origin {
    std::string address;        ///< of the connection's other end; empty on a local socket
    std::string munge_address;  ///< where the munge credential was created; empty without one
    /// The names in the certificate that the other end showed; nothing if it showed none.
    std::optional<std::vector<std::string>> names{};
};

/// A request whose head was read and whose body was not.
struct RequestHead {
    auth::Principal caller;
    std::string_view method;
    std::string_view target;  ///< path and query, as received
    std::string_view content_type;
    std::optional<std::uint64_t> content_length;
    bool has_body = false;             ///< a length above 0, or a transfer encoding
    std::string_view authorization{};  ///< empty if absent
    Origin origin{};
    std::string_view if_match{};       ///< empty if absent
    std::string_view if_none_match{};  ///< empty if absent
};

/// Decides by the head only: returns a route's handler, to which the body is then given, or the
/// error response. A request rejected by its head costs no byte of a body.
class Router {
  public:
    /// `nodes`: where nodes may ask; else null. `relay`: takes what another agent answers; null
    /// where the services answers all. `shared`: where what the services answers from lies; null:
    /// here alone. All must outlive the routes.
    explicit Router(service::Services& services, NodeApi* nodes = nullptr,
                    HubProxyInterface* relay = nullptr, service::SharedStore* shared = nullptr)
        : services_(services), nodes_(nodes), relay_(relay), shared_(shared) {}

    /// One line of the table.
    struct Entry {
        std::string_view method;
        std::string_view path;   ///< `{run}` and the like match one part each
        std::string_view query;  ///< the one query parameter that the route accepts; empty for none
    };
    /// Returns all routes but those of nodes.
    static std::vector<Entry> table();

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
    NodeApi* nodes_;
    HubProxyInterface* relay_;
    service::SharedStore* shared_;
};

/// Returns a response of problem JSON.
HttpResponse problem(unsigned status, std::string_view detail);

}  // namespace secrets::api
