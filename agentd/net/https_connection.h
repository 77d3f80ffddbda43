// SPDX-License-Identifier: Apache-2.0
#pragma once
// One TLS connection to a server, a hub or OpenBao, and HTTP over it.

#include <openssl/ssl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agentd/config/config.h"
#include "agentd/net/asio.h"
#include "agentd/net/host_resolver.h"
#include "common/secure_memory/wipe.h"

namespace secrets::net {

using HttpsFields = std::vector<std::pair<std::string, std::string>>;

/// A header field whose value is a credential.
struct SecretField {
    std::string name{};
    std::shared_ptr<const SecretBuffer> value{};  ///< null: the field is not sent
};

struct HttpsRequest {
    std::string method;
    std::string target;
    std::string body{};  ///< JSON without a value
    std::string if_none_match{};
    /// How long the server may hold the request, in addition to the time that its answer takes.
    std::chrono::milliseconds wait{};

    // Fields of a request that is forwarded for another client:
    std::string authorization{};  ///< if empty, this agent's own credential is sent
    std::string content_type{};
    std::string if_match{};
    SecretBuffer secret{};  ///< the body if it may hold values; `body` is empty then
    HttpsFields fields{};   ///< further header fields
    SecretField token{};
};

struct HttpsResponse {
    unsigned status = 0;
    std::string etag{};
    std::string note{};    ///< for the job
    std::string detail{};  ///< of a problem response
    SecretBuffer body{};
    std::string content_type{};
    std::string allow{};
    std::optional<std::chrono::seconds> retry_after{};
    std::optional<std::chrono::sys_seconds> date{};  ///< by the server's clock
};

/// A TLS session that a later connection resumes.
using TlsSession = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;
/// Copies a session, so that each connection has its own: OpenSSL does not resume one whose
/// connection ended without a TLS shutdown, as most of this agent's do. Returns null for null.
TlsSession copy_of(const SSL_SESSION* session);

/// Returns the context of all connections to some servers: TLS 1.3 only, and only certificates of
/// `ca` (a PEM file; if empty, of the system's CAs). The Status names the file and `key`, which
/// names the file in the configuration.
StatusOr<std::unique_ptr<boost::asio::ssl::context>> make_client_context(const std::string& ca,
                                                                         const char* key);

/// A connection to a server. Every operation has a deadline. After an error the connection can't be
/// used any more.
class HttpsConnection {
  public:
    using Clock = std::chrono::steady_clock;

    HttpsConnection(boost::asio::io_context& loop, boost::asio::ssl::context& context)
        : resolver_(HostResolver::of(loop)), stream_(loop, context) {}

    /// Connects, resumes `session` if there is one, and verifies that the server is that of `url`.
    /// Each connection has its own session: others to the same hub may end while this one connects.
    asio::awaitable<Status> open(const HttpsUrl& url, TlsSession session,
                                 Clock::time_point deadline);

    /// Sends one request and reads its answer. `authorization` is for this request only; may be
    /// empty. An error has the code `unavailable`: the server may have executed the request.
    asio::awaitable<Status> exchange(const HttpsUrl& url, const HttpsRequest& request,
                                     const std::string& authorization, HttpsResponse& answer,
                                     Clock::time_point deadline);

    /// Returns whether a further request may be sent: the server reuses the connection, and has not
    /// closed it.
    bool is_alive();
    TlsSession session();
    /// Returns the end of the validity of the server's certificate.
    std::optional<std::chrono::sys_seconds> certificate_end();
    /// Ends the operation in progress with an error, and each later one. The connection is closed:
    /// an operation has steps, and what only cancels the present one is lost between two of them.
    void cancel();

  private:
    using Transport = boost::beast::basic_stream<boost::asio::ip::tcp>;

    Transport& transport() { return stream_.next_layer(); }
    asio::awaitable<Status> read_body(
        boost::beast::http::response_parser<boost::beast::http::empty_body>& head,
        SecretBuffer& body);
    asio::awaitable<Status> connect(const HttpsUrl& url, Clock::time_point deadline);

    HostResolver& resolver_;
    boost::asio::ssl::stream<Transport> stream_;
    boost::beast::flat_buffer buffer_;
    bool keep_alive_ = true;
    bool cancelled_ = false;
};

}  // namespace secrets::net
