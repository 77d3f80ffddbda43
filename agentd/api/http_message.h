// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests and responses of the HTTP API, without HTTP.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/auth/principal.h"
#include "agentd/net/certificate_names.h"
#include "common/secure_memory/wipe.h"

namespace secrets::api {

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
    bool is_pending = false;   ///< with 503: a lookup in progress may lead to another response
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
    std::optional<net::CertificateNames> names{};
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
    IsGone is_gone{};                  ///< null: it is not known
};

/// The `type` of a problem that has only a status and a sentence (RFC 9457).
inline constexpr std::string_view kPlainProblem = "about:blank";

/// Returns a response of problem JSON.
HttpResponse problem(unsigned status, std::string_view detail,
                     std::string_view type = kPlainProblem);

}  // namespace secrets::api
