// SPDX-License-Identifier: Apache-2.0
#pragma once
// What may be asked of the control door: one table from method and path to a request, and what each
// request means to the services. Knows no socket.

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
/// Whether the client that waits for an answer has gone.
using IsGone = std::function<bool()>;
/// An answer that takes its time.
using DeferredResponse = std::function<boost::asio::awaitable<HttpResponse>(IsGone)>;

/// An answer before it is HTTP. No body: only a status.
struct HttpResponse {
    unsigned status = 200;
    std::string content_type;
    std::string body;
    std::string allow{};  ///< the methods that the path knows, with 405
    std::string etag{};   ///< the generation of what was asked for or changed; may be empty
    std::optional<std::chrono::seconds> retry_after{};  ///< with 503, where waiting may help
    std::string challenge{};   ///< with 401, how the request can say who it comes from
    std::string note{};        ///< for the job; a line of ASCII
    SecretBuffer secret{};     ///< the body where it holds values; `body` is empty then
    DeferredResponse later{};  ///< where it is there, what it returns is the answer
};

/// Where a request over TLS comes from.
struct Origin {
    std::string address;        ///< of the connection's other end; empty on a local door
    std::string munge_address;  ///< where the munge credential was made; empty without one
    /// Those in the certificate that the other end showed; nothing where it showed none.
    std::optional<std::vector<std::string>> names{};
};

/// A request whose head was read and whose body was not.
struct RequestHead {
    auth::Principal caller;
    std::string_view method;
    std::string_view target;  ///< path and query, as they came
    std::string_view content_type;
    std::optional<std::uint64_t> content_length;
    bool has_body = false;             ///< a length above 0, or a transfer encoding
    std::string_view authorization{};  ///< empty where it is not there
    Origin origin{};
    std::string_view if_match{};       ///< empty where it is not there
    std::string_view if_none_match{};  ///< the same
};

/// Decides on the head alone: a route's handler, which the body is then given to, or the refusal.
/// What is refused here costs no byte of a body.
class Router {
  public:
    /// `nodes`: where nodes may ask; else null. `relay`: takes what another agent answers; null
    /// where the services answers all. `shared`: where what the services answers from lies; null:
    /// here alone. All must outlive the routes.
    explicit Router(service::Services& services, NodeApi* nodes = nullptr,
                    HubProxyInterface* relay = nullptr, service::SharedStore* shared = nullptr)
        : services_(services), nodes_(nodes), relay_(relay), shared_(shared) {}

    /// What one line of the table is about.
    struct Entry {
        std::string_view method;
        std::string_view path;   ///< `{run}` and the like stand for one part each
        std::string_view query;  ///< the one query parameter that it takes; empty for none
    };
    /// All but those of nodes.
    static std::vector<Entry> table();

    /// Has the services know what find() and its handler answer from; the answer where that can't
    /// be known. To be awaited just before find().
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

/// An answer of problem JSON.
HttpResponse problem(unsigned status, std::string_view detail);

}  // namespace secrets::api
