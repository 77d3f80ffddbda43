// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serves one HTTP/1.1 client on any stream: reads a head, authenticates the caller, decides, reads
// the body into memory that grows with the bytes that arrive, responds.

#include <openssl/ssl.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <set>
#include <variant>

#include "agentd/api/router.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/base/stack_wipe.h"
#include "agentd/net/arriving_body.h"
#include "agentd/net/asio.h"
#include "agentd/net/body_budget.h"
#include "agentd/server/authenticator.h"
#include "agentd/server/request_label.h"
#include "common/ipc/unix_socket.h"

namespace secrets::server {

namespace beast = boost::beast;
namespace http = beast::http;

inline constexpr auto kIdle = std::chrono::seconds(60);      ///< between requests of one connection
inline constexpr auto kTransfer = std::chrono::seconds(30);  ///< for a body, and for a response
inline constexpr auto kLookups = std::chrono::seconds(5);    ///< of users and groups
inline constexpr auto kLeave = std::chrono::seconds(2);      ///< for the unread rest of a request
inline constexpr std::uint32_t kMaxHead =
    32 * 1024;  ///< a secret spec may be 8 KiB, and each byte of it `%3A`

class HttpSession;

/// Holds what the sessions of one server share.
struct HttpSessionRegistry {
    api::Router routes;
    net::BodyBudget& bodies;  ///< of all servers
    std::set<HttpSession*> connections{};
    bool stopped = false;

    /// Ends the connections that only wait for a further request; the others finish theirs.
    void stop();
    /// Ends the connections on which no request has come.
    void end_silent();
    /// Aborts what is unfinished. The loop must run once more before the connections are gone.
    void abort();
};

/// A connection of a server, listed in the server's registry as long as the session lives.
class HttpSession {
  public:
    explicit HttpSession(HttpSessionRegistry& registry) : registry_(registry) {
        registry_.connections.insert(this);
    }
    HttpSession(const HttpSession&) = delete;
    HttpSession& operator=(const HttpSession&) = delete;
    virtual ~HttpSession() { registry_.connections.erase(this); }

    /// Ends an idle connection that was served before: its client expects that it may be closed.
    void end_if_kept_alive() {
        if (served_) end_if_idle();
    }
    void end_if_idle() {
        if (idle_ && !is_readable(descriptor())) end();
    }
    /// Returns since when the server has waited for a request of this client; nothing while a
    /// request is served.
    std::optional<std::chrono::steady_clock::time_point> idle_since() {
        if (!idle_ || is_readable(descriptor())) return std::nullopt;
        return idle_since_;
    }
    virtual void end() = 0;
    /// Ends whatever is in progress: the connection is closed, since a cancelled step of an
    /// operation may be over already, and the next one not begun.
    virtual void abort() = 0;

  protected:
    virtual int descriptor() = 0;

    HttpSessionRegistry& registry_;
    bool idle_ = true;
    std::chrono::steady_clock::time_point idle_since_ = std::chrono::steady_clock::now();
    bool served_ = false;
};

/// Shuts down the sending side, and discards what arrives until the other side ends or the deadline
/// of `transport` passes: if a TCP connection is closed with unread bytes, the kernel drops what
/// was sent last.
template <typename Transport>
asio::awaitable<void> read_away(Transport& transport) {
    ErrorCode error;
    transport.socket().shutdown(asio::socket_base::shutdown_send, error);
    std::array<char, 4096> away;
    while (!error) {
        co_await transport.async_read_some(asio::buffer(away), into(error));
    }
}

http::response<http::string_body> to_http(api::HttpResponse answer, bool keep_alive);
/// Returns the response to a request for whose body there is no memory now.
api::HttpResponse no_room(const Status& full);
api::RequestHead head_of(const http::request_parser<http::empty_body>& parser);
/// Names a request by its method and path.
std::string name_of(const api::RequestHead& head);

/// `Stream`: a Beast stream, or a TLS stream over one.
template <typename Stream>
class HttpSessionOn final : public HttpSession {
  public:
    /// `check` must outlive the connection.
    HttpSessionOn(HttpSessionRegistry& registry, Stream stream, Authenticator& check,
                  std::shared_ptr<RequestLabel> label)
        : HttpSession(registry),
          stream_(std::move(stream)),
          check_(check),
          label_(std::move(label)) {}

    void end() override { transport().cancel(); }
    void abort() override { transport().close(); }

    asio::awaitable<void> run() {
        // co_await is a statement of its own: GCC 12 miscompiles it behind && and ||.
        bool more = true;
        while (more) {
            more = co_await serve_one();
            if (registry_.stopped) more = false;
        }
        if constexpr (kIsTls) {
            co_await shut_down();
        } else {
            ErrorCode ignored;
            transport().socket().shutdown(asio::socket_base::shutdown_send, ignored);
        }
        // The transport's timers would keep the loop running.
        transport().close();
    }

  private:
    using Parser = http::request_parser<http::empty_body>;

    static constexpr bool kIsTls = requires(Stream& stream) { stream.native_handle(); };

    auto& transport() { return beast::get_lowest_layer(stream_); }
    int descriptor() override { return transport().socket().native_handle(); }

    /// Serves one request; returns whether another may follow on this connection.
    asio::awaitable<bool> serve_one() {
        Parser parser;
        parser.header_limit(kMaxHead);
        parser.body_limit(boost::none);  // the routes decide, by the head
        transport().expires_after(kIdle);
        ErrorCode error;
        idle_ = true;
        idle_since_ = std::chrono::steady_clock::now();
        co_await http::async_read_header(stream_, buffer_, parser, into(error));
        idle_ = false;
        if (error) {
            co_await complain(error);
            co_return false;
        }
        transport().expires_never();  // while the agent asks others
        head_only_ = parser.get().method() == http::verb::head;
        api::RequestHead head = head_of(parser);
        label_->request = name_of(head);
        head.is_gone = [this] {
            return !transport().socket().is_open() || peer_is_gone(descriptor());
        };
        auto checked = co_await check_.authenticate(head);
        if (auto* refused = std::get_if<api::HttpResponse>(&checked)) {
            co_return co_await refuse(parser, std::move(*refused));
        }
        const AuthenticatedPrincipal& known = std::get<AuthenticatedPrincipal>(checked);
        if (kIsTls) label_->caller = name_of(known.caller) + " at " + known.origin.address;
        head.caller = known.caller;
        head.origin = known.origin;
        if (known.caller.uid()) co_await auth::await_name(*known.caller.uid());
        const auth::LookupAttempts attempts(kLookups);
        auto found = co_await find_route(head, attempts);
        if (auto* refused = std::get_if<api::HttpResponse>(&found)) {
            co_return co_await refuse(parser, std::move(*refused));
        }
        const bool keep_alive = parser.keep_alive();
        // Counted until the response is written: a deferred one has a copy of the body.
        std::optional<net::BodyBudget::Charge> charge;
        SecretBuffer body;
        if (const auto length = parser.content_length().value_or(0); length > 0) {
            if (length > net::BodyBudget::kFreeBytes) {
                charge.emplace(registry_.bodies, owner_of_body(head));
                Status full = charge->check(length);
                if (!full.ok()) co_return co_await refuse(parser, no_room(full));
            }
            net::ArrivingBody arriving(length);
            const bool whole = co_await read_body(parser, arriving, charge);
            if (!whole) co_return false;
            body = arriving.take();
        }
        if (auto wrong = check_.check_body(known, body.view())) {
            forget_request(std::move(body));
            co_return co_await write(std::move(*wrong), keep_alive);
        }
        const auto& handler = std::get<api::Router::Handler>(found);
        api::HttpResponse answer = attempts.run([&] { return handler(body.bytes()); });
        while (answer.is_pending) {
            co_await attempts.wait();
            std::optional<api::HttpResponse> stale;
            // A request with a body is a change, which reads the shared data itself.
            if (body.size() == 0) stale = co_await registry_.routes.refresh(head);
            answer =
                stale ? std::move(*stale) : attempts.run([&] { return handler(body.bytes()); });
        }
        forget_request(std::move(body));
        if (answer.later) {
            transport().expires_never();
            const api::DeferredResponse later = std::move(answer.later);
            answer = co_await later(
                [this] { return !transport().socket().is_open() || peer_is_gone(descriptor()); });
        }
        served_ = true;
        co_return co_await write(std::move(answer), keep_alive);
    }

    /// Returns who has the share of the memory for bodies that this body is counted in: all agents
    /// of a cluster have one account.
    std::string owner_of_body(const api::RequestHead& head) {
        return registry_.routes.is_for_hosts(head) ? label_->caller : name_of(head.caller);
    }

    /// Returns the route's handler or the error response. Waits for users and groups on which that
    /// depends.
    asio::awaitable<api::Router::Decision> find_route(const api::RequestHead& head,
                                                      const auth::LookupAttempts& attempts) {
        while (true) {
            auto unknown = co_await registry_.routes.refresh(head);
            if (unknown) co_return std::move(*unknown);
            auto found = attempts.run([&] { return registry_.routes.find(head); });
            const auto* const refused = std::get_if<api::HttpResponse>(&found);
            if (refused == nullptr || !refused->is_pending) co_return found;
            co_await attempts.wait();
        }
    }

    /// Answers a request whose body was not read, and so can't be told from the next request.
    asio::awaitable<bool> refuse(const Parser& parser, api::HttpResponse answer) {
        body_is_unread_ = parser.content_length().value_or(0) > 0 || parser.chunked();
        co_return co_await write(std::move(answer), parser.keep_alive() && !body_is_unread_);
    }

    /// Closes TLS without waiting for the client's close. Only a client that still sends an unread
    /// body is waited for: otherwise that client could not read its response.
    asio::awaitable<void> shut_down() {
        ErrorCode error;
        transport().expires_after(kLeave);
        SSL* const connection = stream_.native_handle();
        SSL_set_shutdown(connection, SSL_get_shutdown(connection) | SSL_RECEIVED_SHUTDOWN);
        co_await stream_.async_shutdown(into(error));
        if (body_is_unread_ && !registry_.stopped) co_await read_away(transport());
    }

    /// Returns whether the whole body came and had room.
    asio::awaitable<bool> read_body(const Parser& head, net::ArrivingBody& body,
                                    std::optional<net::BodyBudget::Charge>& charge) {
        transport().expires_after(kTransfer);
        ErrorCode error;
        if (beast::iequals(head.get()[http::field::expect], "100-continue")) {
            http::response<http::empty_body> go_on(http::status::continue_, 11);
            co_await http::async_write(stream_, go_on, into(error));
            if (error) co_return false;
        }
        while (!body.is_complete()) {
            if (body.is_full()) {
                Status full = charge ? charge->raise(body.grown_size()) : Status();
                if (!full.ok()) {
                    co_await refuse(head, no_room(full));
                    co_return false;
                }
                body.grow();
            }
            co_await body.read_some(stream_, buffer_, error);
            if (error) co_return false;
        }
        co_return true;
    }

    asio::awaitable<bool> write(api::HttpResponse answer, bool keep_alive) {
        SecretBuffer secret = std::move(answer.secret);
        auto response = to_http(std::move(answer), keep_alive && !registry_.stopped);
        transport().expires_after(kTransfer);
        ErrorCode error;
        if (secret.size() > 0) {
            co_await write_secret(response, secret, error);
        } else {
            if (head_only_) response.body().clear();  // Content-Length stays what it would be
            co_await http::async_write(stream_, response, into(error));
        }
        co_return !error && response.keep_alive();
    }

    /// Writes a secret body, which is never copied into a string.
    asio::awaitable<void> write_secret(const http::response<http::string_body>& head,
                                       SecretBuffer& secret, ErrorCode& error) {
        http::response<http::span_body<char>> response{http::response_header<>(head.base())};
        response.body() = {reinterpret_cast<char*>(secret.bytes().data()), secret.size()};
        response.prepare_payload();
        co_await http::async_write(stream_, response, into(error));
        wipe_stack();
    }

    /// Answers a head that is not valid HTTP or too long; a client that has gone gets no response.
    asio::awaitable<void> complain(ErrorCode error) {
        if (error == http::error::header_limit) {
            co_await write(api::problem(431, "the request's head is longer than 32 KiB"), false);
        } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
                   error != http::error::end_of_stream && error != http::error::partial_message) {
            co_await write(api::problem(400, "invalid HTTP/1.1 request: " + error.message()),
                           false);
        }
    }

    /// Wipes a request. The buffer may have read bytes of the body together with the head; the
    /// parsers used the stack.
    void forget_request(SecretBuffer body) {
        body = SecretBuffer();
        if (buffer_.size() == 0) {
            buffer_.clear();
            buffer_.shrink_to_fit();
        }
        wipe_stack();
    }

    Stream stream_;
    Authenticator& check_;
    std::shared_ptr<RequestLabel> label_;
    beast::flat_buffer buffer_;
    bool head_only_ = false;  ///< a HEAD request, whose response has no body
    bool body_is_unread_ = false;
};

}  // namespace secrets::server
