// SPDX-License-Identifier: Apache-2.0
// Promise: requests share connections, a request is sent again only if a connection that was reused
// broke, and only if it may be; stop() ends all.

#include "agentd/net/https_client.h"

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/tls_server.h"

namespace secrets::net {
namespace {

namespace http = boost::beast::http;
using std::chrono::hours;

/// A client of a server that counts requests.
struct Fixture : EventLoop {
    explicit Fixture(HttpsClient::Authorize authorize = nullptr)
        : server(io, [this](TlsServer::Stream& stream) { return serve(stream); }),
          context(make_client_context(server.ca(), "ca").value()),
          client(io, *context, server.url(), 2, std::move(authorize)) {}

    asio::awaitable<void> serve(TlsServer::Stream& stream) {
        resumed.push_back(SSL_session_reused(stream.native_handle()) == 1);
        boost::beast::flat_buffer buffer;
        ErrorCode error;
        while (!error) {
            http::request_parser<http::empty_body> parser;
            co_await http::async_read(stream, buffer, parser, into(error));
            if (error) co_return;
            seen.emplace_back(parser.get()[http::field::authorization]);
            if (seen.size() == breaks_at) co_return;
            while (is_silent) {
                ErrorCode woken;
                co_await released.async_wait(into(woken));
            }
            const std::string reply = closes_after_reply
                                          ? "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
                                          : "HTTP/1.1 204 No Content\r\n\r\n";
            co_await asio::async_write(stream, asio::buffer(reply), into(error));
            if (closes_after_reply || closes_silently) co_return;
        }
    }

    asio::awaitable<Status> asking() {
        const HttpsRequest request{.method = "GET", .target = "/"};
        HttpsResponse answer;
        const HttpsClient::Until until{Clock::now() + hours(1), Clock::now() + hours(2)};
        co_return co_await client.ask(request, answer, until);
    }
    asio::awaitable<Status> asking_once() {
        const HttpsRequest request{.method = "GET", .target = "/"};
        HttpsResponse answer;
        const HttpsClient::Until until{Clock::now() + hours(1), Clock::now() + hours(2)};
        co_return co_await client.ask_once(request, answer, until);
    }
    bool ask() { return result_of(asking()).ok(); }
    bool ask_once() { return result_of(asking_once()).ok(); }
    /// Makes so many requests at one time.
    void ask_together(std::size_t count) {
        is_silent = true;
        std::vector<std::shared_ptr<std::optional<Status>>> outcomes;
        const std::size_t before = seen.size();
        for (std::size_t i = 0; i < count; ++i) outcomes.push_back(start(asking()));
        REQUIRE(turns_until([&] { return seen.size() == before + count; }));
        is_silent = false;
        released.cancel();
        for (const auto& outcome : outcomes) {
            REQUIRE(turns_until([&] { return outcome->has_value(); }));
            CHECK((*outcome)->ok());
        }
    }

    std::size_t breaks_at = 0;        ///< the request at which the server closes; 0: none
    bool closes_after_reply = false;  ///< and says so
    bool closes_silently = false;     ///< likewise, and says nothing
    bool is_silent = false;
    asio::steady_timer released{io, Clock::time_point::max()};  ///< from being silent
    std::vector<std::string> seen;  ///< the authorization of each request
    std::vector<bool> resumed;      ///< whether each connection resumed a TLS session
    TlsServer server;
    std::unique_ptr<asio::ssl::context> context;
    HttpsClient client;
};

TEST_CASE("HttpsClient: sends requests one after another on one connection", "[https]") {
    Fixture fixture;
    for (int i = 0; i < 3; ++i) CHECK(fixture.ask());
    CHECK(fixture.seen.size() == 3);
    CHECK(fixture.server.connections() == 1);
}

TEST_CASE("HttpsClient: keeps at most so many idle connections", "[https]") {
    Fixture fixture;
    fixture.ask_together(3);
    CHECK(fixture.server.connections() == 3);
    fixture.ask_together(2);
    CHECK(fixture.server.connections() == 3);
    fixture.ask_together(3);
    CHECK(fixture.server.connections() == 4);
}

TEST_CASE("HttpsClient: replaces a connection that the server closes, and resumes the TLS session",
          "[https]") {
    for (const bool says_so : {true, false}) {
        CAPTURE(says_so);
        Fixture fixture;
        fixture.closes_after_reply = says_so;
        fixture.closes_silently = !says_so;
        CHECK(fixture.ask());
        fixture.turn(std::chrono::milliseconds(20));
        CHECK(fixture.ask());
        CHECK(fixture.seen.size() == 2);
        CHECK(fixture.resumed == std::vector{false, true});
    }
}

TEST_CASE("HttpsClient: sends a request again when a reused connection breaks", "[https]") {
    Fixture fixture;
    REQUIRE(fixture.ask());
    fixture.breaks_at = 2;
    CHECK(fixture.ask());
    CHECK(fixture.seen.size() == 3);
    CHECK(fixture.server.connections() == 2);
}

TEST_CASE("HttpsClient: fails when a new connection breaks, and does not send again", "[https]") {
    Fixture fixture;
    fixture.breaks_at = 1;
    CHECK_FALSE(fixture.ask());
    CHECK(fixture.seen.size() == 1);
    CHECK(fixture.ask());
}

TEST_CASE("HttpsClient: sends at most once a request that must not be repeated", "[https]") {
    Fixture fixture;
    REQUIRE(fixture.ask());
    CHECK(fixture.ask_once());
    CHECK(fixture.server.connections() == 2);
    fixture.breaks_at = 3;
    CHECK_FALSE(fixture.ask_once());
    CHECK(fixture.seen.size() == 3);
    CHECK(fixture.ask());
    CHECK(fixture.server.connections() == 3);
}

TEST_CASE("HttpsClient: asks for the authorization each time that it sends", "[https]") {
    int made = 0;
    bool fails = false;
    Fixture fixture(
        [&](const HttpsUrl&, const HttpsRequest&) -> asio::awaitable<StatusOr<std::string>> {
            if (fails) co_return Status::failed("munged is away");
            co_return "MUNGE " + std::to_string(++made);
        });
    REQUIRE(fixture.ask());
    fixture.breaks_at = 2;
    REQUIRE(fixture.ask());
    CHECK(fixture.seen == std::vector<std::string>{"MUNGE 1", "MUNGE 2", "MUNGE 3"});
    fails = true;
    CHECK_FALSE(fixture.ask());
    CHECK(fixture.seen.size() == 3);
}

TEST_CASE("HttpsClient: gives a connection less time than an answer", "[https]") {
    Fixture fixture;
    fixture.is_silent = true;
    const auto answered = fixture.start(fixture.asking());
    REQUIRE(fixture.turns_until([&] { return fixture.seen.size() == 1; }));
    fixture.pass(hours(1));
    fixture.turn(std::chrono::milliseconds(5));
    CHECK_FALSE(answered->has_value());
    fixture.pass(hours(1));
    REQUIRE(fixture.turns_until([&] { return answered->has_value(); }));
    CHECK_FALSE((*answered)->ok());

    // The kernel accepts for a server that has stopped to.
    EventLoop test;
    TlsServer::Tcp::acceptor silent(test.io, {asio::ip::address_v4::loopback(), 0});
    HttpsClient client(test.io, *fixture.context, {"", "127.0.0.1", silent.local_endpoint().port()},
                       1, nullptr);
    const auto reached = test.start(client.reach(EventLoop::Clock::now() + hours(1)));
    TlsServer::Tcp::socket accepted(test.io);
    bool connected = false;
    silent.async_accept(accepted, [&](const ErrorCode&) { connected = true; });
    REQUIRE(test.turns_until([&] { return connected; }));
    test.turn(std::chrono::milliseconds(20));
    test.pass(hours(1));
    REQUIRE(test.turns_until([&] { return reached->has_value(); }));
    CHECK_FALSE((*reached)->ok());
}

TEST_CASE("HttpsClient: ends requests in progress at stop(), and reuses nothing afterwards",
          "[https]") {
    Fixture fixture;
    REQUIRE(fixture.ask());
    fixture.is_silent = true;
    const auto outcome = fixture.start(fixture.asking());
    REQUIRE(fixture.turns_until([&] { return fixture.seen.size() == 2; }));
    fixture.client.stop();
    REQUIRE(fixture.turns_until([&] { return outcome->has_value(); }));
    CHECK_FALSE((*outcome)->ok());
    CHECK(fixture.seen.size() == 2);
    fixture.is_silent = false;
    fixture.released.cancel();
    CHECK(fixture.ask());
    CHECK(fixture.ask());
    CHECK(fixture.server.connections() == 3);
}

TEST_CASE("HttpsClient: clears the memory of what it has decrypted", "[https]") {
    const auto context = make_client_context("", "hub.ca");
    REQUIRE(context.ok());
    SSL_CTX* const raw = (*context)->native_handle();
    CHECK((SSL_CTX_get_options(raw) & SSL_OP_CLEANSE_PLAINTEXT) != 0);
    CHECK((SSL_CTX_get_mode(raw) & SSL_MODE_RELEASE_BUFFERS) != 0);
}

TEST_CASE("HttpsClient: reports whether the server can be reached, without a request", "[https]") {
    Fixture fixture;
    CHECK(fixture.result_of(fixture.client.reach(EventLoop::Clock::now() + hours(1))).ok());
    CHECK(fixture.turns_until([&] { return fixture.server.connections() == 1; }));
    CHECK(fixture.seen.empty());
    fixture.server.stop();
    CHECK_FALSE(fixture.result_of(fixture.client.reach(EventLoop::Clock::now() + hours(1))).ok());
}

}  // namespace
}  // namespace secrets::net
