// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <iostream>
#include <memory>

namespace secrets::ctl::web {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using HeadParser = http::request_parser<http::empty_body>;
using BodyParser = http::request_parser<http::string_body>;
using Response = http::response<http::string_body>;

constexpr std::uint32_t kLongestHead = 16 * 1024;

/// How many connections are served, and how long each may be silent.
struct Limits {
    long most;
    std::chrono::seconds timeout;
};
constexpr std::chrono::milliseconds kPause(100);
constexpr Limits kOwn{64, std::chrono::seconds(60)};
constexpr Limits kOfOthers{8, std::chrono::seconds(5)};

/// Counts the open sessions: each has a copy.
using SessionCount = std::shared_ptr<void>;

/// Limits the browser to the page's own files.
void set_policy(Response& response) {
    response.set("Content-Security-Policy",
                 "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                 "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
                 "require-trusted-types-for 'script'; trusted-types 'none'");
    response.set("Cross-Origin-Opener-Policy", "same-origin");
    response.set("Cross-Origin-Resource-Policy", "same-origin");
    response.set("Permissions-Policy", "camera=(), geolocation=(), microphone=()");
    response.set("Referrer-Policy", "no-referrer");
    response.set("X-Content-Type-Options", "nosniff");
    response.set(http::field::cache_control, "no-store");
}

SiteAnswer too_long_head() {
    return {431, "text/plain; charset=utf-8",
            "the request's head is too long: the browser may have too many cookies of 127.0.0.1; "
            "remove some of them\n"};
}

Response to_http(SiteAnswer answer, bool keep_alive) {
    Response response;
    response.version(11);
    response.result(answer.status);
    set_policy(response);
    if (!answer.content_type.empty()) {
        response.set(http::field::content_type, answer.content_type);
    }
    if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
    if (!answer.cookie.empty()) response.set(http::field::set_cookie, answer.cookie);
    response.keep_alive(keep_alive);
    response.body() = std::move(answer.body);
    if (answer.status != 204) response.prepare_payload();
    return response;
}

RequestHead head_of(const HeadParser& parser) {
    const auto& request = parser.get();
    RequestHead head;
    head.method = request.method_string();
    head.target = request.target();
    head.source = {.host = request[http::field::host],
                   .forwarded_host = request["X-Forwarded-Host"],
                   .origin = request[http::field::origin],
                   .fetch_site = request["Sec-Fetch-Site"],
                   .fetch_mode = request["Sec-Fetch-Mode"],
                   .cookie = request[http::field::cookie]};
    head.if_match = request[http::field::if_match];
    head.if_none_match = request[http::field::if_none_match];
    if (const auto length = parser.content_length()) head.content_length = *length;
    head.is_chunked = parser.chunked();
    return head;
}

/// Serves the requests of one connection, until the browser or a limit ends it.
class Session {
  public:
    Session(Socket socket, Status peer, ServerContext context)
        : peer_(std::move(peer)), stream_(std::move(socket)), context_(context) {}

    asio::awaitable<void> run() {
        for (bool goes_on = true; goes_on;) goes_on = co_await serve_request();
        boost::system::error_code ignored;
        stream_.socket().shutdown(Socket::shutdown_send, ignored);
    }

  private:
    /// Returns whether the connection stays open.
    asio::awaitable<bool> serve_request() {
        HeadParser parser;
        parser.header_limit(kLongestHead);
        parser.body_limit(boost::none);  // the route has the limit
        stream_.expires_after(timeout());
        boost::system::error_code error;
        co_await http::async_read_header(stream_, buffer_, parser,
                                         asio::redirect_error(asio::use_awaitable, error));
        if (error == http::error::header_limit) co_return co_await write(too_long_head(), false);
        if (error) throw boost::system::system_error(error);
        const RequestHead head = head_of(parser);
        is_head_ = head.method == "HEAD";
        auto decision = context_.site.decide(head, peer_);
        if (auto* answer = std::get_if<SiteAnswer>(&decision)) {
            const bool has_body = head.content_length > 0 || head.is_chunked;
            co_return co_await write(std::move(*answer),
                                     peer_.ok() && parser.keep_alive() && !has_body);
        }
        const bool keep_alive = parser.keep_alive();
        SiteAnswer reply = co_await ask(std::get<AgentRequest>(std::move(decision)), parser);
        co_return co_await write(std::move(reply), keep_alive);
    }

    /// Reads the body, and waits for the agent on another thread.
    asio::awaitable<SiteAnswer> ask(AgentRequest wanted, HeadParser& head) {
        BodyParser body(std::move(head));
        body.body_limit(wanted.route->longest_body);
        stream_.expires_after(timeout());
        co_await http::async_read(stream_, buffer_, body, asio::use_awaitable);
        buffer_.shrink_to_fit();  // a part of the body may have passed through its memory
        stream_.expires_never();  // the client of the agent has a limit
        const std::string& text = body.get().body();
        const SecretView view(std::as_bytes(std::span(text)));
        co_return co_await asio::co_spawn(context_.threads, ask_agent(context_.agent, wanted, view),
                                          asio::use_awaitable);
    }

    /// Waits for the agent. What is passed must outlive the wait.
    static asio::awaitable<SiteAnswer> ask_agent(const Client& agent, const AgentRequest& wanted,
                                                 SecretView body) {
        co_return answer(*wanted.route, agent, wanted.request, body);
    }

    asio::awaitable<bool> write(SiteAnswer answer, bool keep_alive) {
        Response response = to_http(std::move(answer), keep_alive && !is_head_);
        if (is_head_) response.body().clear();  // its length stays
        stream_.expires_after(timeout());
        co_await http::async_write(stream_, response, asio::use_awaitable);
        co_return response.keep_alive();
    }

    std::chrono::seconds timeout() const { return (peer_.ok() ? kOwn : kOfOthers).timeout; }

    Status peer_;
    Stream stream_;
    ServerContext context_;
    bool is_head_ = false;  ///< whether the answer to the request has no body
    beast::flat_buffer buffer_{2 * kLongestHead};
};

asio::awaitable<void> run_session(Socket socket, Status peer, ServerContext context, SessionCount) {
    Session session(std::move(socket), std::move(peer), context);
    co_await session.run();
}

/// Reports how a session ended, unless the browser went away or was too slow.
void report_end(const std::exception_ptr& end) {
    if (end == nullptr) return;
    try {
        std::rethrow_exception(end);
    } catch (const boost::system::system_error&) {
        return;
    } catch (const std::exception& error) {
        std::cerr << "secretctl: cannot serve a request: " << error.what() << '\n';
    }
}

}  // namespace

asio::awaitable<void> serve(Listener& listener, ServerContext context) {
    const auto executor = co_await asio::this_coro::executor;
    const SessionCount own = std::make_shared<int>();
    const SessionCount of_others = std::make_shared<int>();
    asio::steady_timer pause(executor);
    for (;;) {
        boost::system::error_code error;
        Socket socket = co_await listener.accept(error);
        if (error) {  // such as too many open files, which end
            pause.expires_after(kPause);
            co_await pause.async_wait(asio::use_awaitable);
            continue;
        }
        Status peer = check_peer(socket);
        const SessionCount& open = peer.ok() ? own : of_others;
        // A further connection than a browser needs is closed.
        if (open.use_count() > (peer.ok() ? kOwn : kOfOthers).most) continue;
        asio::co_spawn(executor, run_session(std::move(socket), std::move(peer), context, open),
                       report_end);
    }
}

}  // namespace secrets::ctl::web
