// SPDX-License-Identifier: Apache-2.0
// Promise: an answer is read as the server sent it, or the exchange fails: with an answer that is
// too large, malformed or cut off, and at the deadline, whatever the server does.

#include "agentd/net/https_connection.h"

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "common/base/limits.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/secrets_of.h"
#include "tests/unit/tls_server.h"

namespace secrets::net {
namespace {

namespace http = boost::beast::http;
using namespace std::string_literals;
using std::chrono::hours;
using std::chrono::milliseconds;

/// A connection to a server that sends prepared bytes.
struct Fixture : EventLoop {
    explicit Fixture(std::vector<std::string> answers, bool closes_at_end = false,
                     const SelfSigned& own = make_certificate({{GEN_IPADD, {127, 0, 0, 1}}}))
        : replies(std::move(answers)),
          closes(closes_at_end),
          server(
              io, [this](TlsServer::Stream& stream) { return serve(stream); }, own),
          context(make_client_context(server.ca(), "ca").value()),
          connection(std::in_place, io, *context) {}

    asio::awaitable<void> serve(TlsServer::Stream& stream) {
        boost::beast::flat_buffer buffer;
        ErrorCode error;
        for (const std::string& reply : replies) {
            http::request_parser<http::string_body> parser;
            co_await http::async_read(stream, buffer, parser, into(error));
            if (error) co_return;
            requests.push_back(parser.release());
            co_await asio::async_write(stream, asio::buffer(reply), into(error));
            if (error) co_return;
        }
        if (closes) co_return;
        char byte = 0;  // none comes: the server is silent until the client closes
        co_await stream.async_read_some(asio::buffer(&byte, 1), into(error));
    }

    Clock::time_point in_an_hour() const { return Clock::now() + hours(1); }
    asio::awaitable<Status> opening() {
        TlsSession none(nullptr, &SSL_SESSION_free);
        const HttpsUrl url = server.url();
        co_return co_await connection->open(url, std::move(none), in_an_hour());
    }
    Status open() { return result_of(opening()); }
    asio::awaitable<Status> exchange(const HttpsRequest& request) {
        response = {};
        const HttpsUrl url = server.url();
        const std::string authorization;
        co_return co_await connection->exchange(url, request, authorization, response,
                                                in_an_hour());
    }
    Status ask(const HttpsRequest& request = {.method = "GET", .target = "/"}) {
        return result_of(exchange(request));
    }
    /// Opens another connection.
    void renew() {
        connection.emplace(io, *context);
        REQUIRE(open().ok());
    }

    std::vector<std::string> replies;  ///< to the requests of a connection, in order
    bool closes;                       ///< whether the server closes after the last reply
    std::vector<http::request<http::string_body>> requests;
    TlsServer server;
    std::unique_ptr<asio::ssl::context> context;
    std::optional<HttpsConnection> connection;
    HttpsResponse response;
};

std::string_view body_of(const HttpsResponse& response) {
    return text_of(response.body.view().bytes());
}

TEST_CASE("HttpsConnection: returns the fields and the body of an answer", "[https]") {
    Fixture fixture(
        {"HTTP/1.1 200 OK\r\nETag: \"7\"\r\nContent-Type: text/x\r\nAllow: GET, PUT\r\n"
         "Retry-After: 5\r\nSlurm-Secrets-Note: a note\r\nContent-Length: 4\r\n\r\nbo\0y"s,
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nRetry-After: soon\r\n\r\n"
         "3\r\none\r\n4\r\n two\r\n0\r\n\r\n"});
    REQUIRE(fixture.open().ok());
    REQUIRE(fixture.ask().ok());
    const HttpsResponse& response = fixture.response;
    CHECK(response.status == 200);
    CHECK(response.etag == "\"7\"");
    CHECK(response.content_type == "text/x");
    CHECK(response.allow == "GET, PUT");
    CHECK(response.retry_after == std::chrono::seconds(5));
    CHECK(response.note == "a note");
    CHECK(body_of(response) == "bo\0y"s);
    REQUIRE(fixture.ask().ok());
    CHECK(body_of(response) == "one two");
    CHECK_FALSE(response.retry_after.has_value());
    CHECK(response.etag.empty());
}

TEST_CASE("HttpsConnection: sends the method, the fields and a body of either kind", "[https]") {
    const std::string done = "HTTP/1.1 204 No Content\r\n\r\n";
    Fixture fixture({done, done, done});
    REQUIRE(fixture.open().ok());
    HttpsRequest request{.method = "PUT", .target = "/v1/x?y=z", .body = "{}"};
    request.if_none_match = "\"1\"";
    request.if_match = "\"2\"";
    request.fields = {{"X-Vault-Token", "t"}};
    REQUIRE(fixture.ask(request).ok());
    HttpsRequest secret{.method = "POST", .target = "/"};
    secret.content_type = "text/plain";
    secret.secret = buffer_of("a value");
    REQUIRE(fixture.ask(secret).ok());
    REQUIRE(fixture.ask().ok());
    REQUIRE(fixture.requests.size() == 3);
    auto& first = fixture.requests[0];
    CHECK(first.method_string() == "PUT");
    CHECK(first.target() == "/v1/x?y=z");
    CHECK(first[http::field::host] == "127.0.0.1");
    CHECK(first[http::field::if_none_match] == "\"1\"");
    CHECK(first[http::field::if_match] == "\"2\"");
    CHECK(first["X-Vault-Token"] == "t");
    CHECK(first[http::field::content_type] == "application/json");
    CHECK(first.body() == "{}");
    CHECK(fixture.requests[1][http::field::content_type] == "text/plain");
    CHECK(fixture.requests[1].body() == "a value");
    CHECK(fixture.requests[2].count(http::field::content_type) == 0);
}

TEST_CASE("HttpsConnection: makes the detail of a problem printable and bounded", "[https]") {
    const auto problem = [](const std::string& body) {
        return "HTTP/1.1 503 Busy\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
               body;
    };
    Fixture fixture({problem(R"({"detail":"full\u001b[2J"})"),
                     problem(R"({"detail":")" + std::string(100'000, 'd') + R"("})"),
                     problem("<html>"), problem(R"({"detail":7})")});
    REQUIRE(fixture.open().ok());
    REQUIRE(fixture.ask().ok());
    CHECK(fixture.response.status == 503);
    CHECK(fixture.response.detail == "full?[2J");
    REQUIRE(fixture.ask().ok());
    CHECK(fixture.response.detail.size() == kMaxSentenceBytes);
    for (int i = 0; i < 2; ++i) {
        REQUIRE(fixture.ask().ok());
        CHECK_FALSE(fixture.response.detail.empty());
    }
}

TEST_CASE("HttpsConnection: waits for no body after the statuses that have none", "[https]") {
    Fixture fixture({"HTTP/1.1 204 No Content\r\n\r\n",
                     "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
    REQUIRE(fixture.open().ok());
    for (const unsigned status : {204U, 304U, 200U}) {
        REQUIRE(fixture.ask().ok());
        CHECK(fixture.response.status == status);
        CHECK(fixture.connection->is_alive());
    }
    CHECK(body_of(fixture.response) == "ok");
}

TEST_CASE("HttpsConnection: fails at once for an answer above a limit or not of HTTP", "[https]") {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    const std::string large(16 * 1024, 'x');
    for (const std::string& reply :
         {head + "X: " + large + "\r\nContent-Length: 0\r\n\r\n",
          head + "Content-Length: 67108865\r\n\r\nx", head + "Content-Length: 1e3\r\n\r\nx",
          head + "Transfer-Encoding: chunked\r\n\r\n4000001\r\nx",
          head + "Transfer-Encoding: chunked\r\n\r\nfour\r\nx", std::string("SSH-2.0-server\r\n"),
          std::string("HTTP/1.1 2000 OK\r\n\r\n")}) {
        CAPTURE(reply.substr(0, 80));
        Fixture fixture({reply});
        REQUIRE(fixture.open().ok());
        CHECK_FALSE(fixture.ask().ok());
    }
}

TEST_CASE("HttpsConnection: fails when the server closes before the end of its answer", "[https]") {
    for (const std::string& whole :
         {std::string("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"),
          std::string(
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")}) {
        Fixture fixture({whole}, true);
        REQUIRE(fixture.open().ok());
        REQUIRE(fixture.ask().ok());
        for (std::size_t length = 0; length < whole.size(); ++length) {
            CAPTURE(whole, length);
            fixture.replies = {whole.substr(0, length)};
            fixture.renew();
            CHECK_FALSE(fixture.ask().ok());
        }
    }
}

TEST_CASE("HttpsConnection: fails at its deadline while the server is silent", "[https]") {
    for (const char* reply :
         {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo"}) {
        CAPTURE(reply);
        Fixture fixture({reply});
        REQUIRE(fixture.open().ok());
        const HttpsRequest request{.method = "GET", .target = "/"};
        const auto outcome = fixture.start(fixture.exchange(request));
        REQUIRE(fixture.turns_until([&] { return fixture.requests.size() == 1; }));
        fixture.pass(std::chrono::minutes(59));
        fixture.turn(milliseconds(5));
        CHECK_FALSE(outcome->has_value());
        fixture.pass(std::chrono::minutes(1));
        REQUIRE(fixture.turns_until([&] { return outcome->has_value(); }));
        CHECK_FALSE((*outcome)->ok());
    }
}

TEST_CASE("HttpsConnection: fails at its deadline while the server does not begin TLS", "[https]") {
    EventLoop test;
    TlsServer::Tcp::acceptor silent(test.io, {asio::ip::address_v4::loopback(), 0});
    asio::ssl::context context(asio::ssl::context::tls_client);
    HttpsConnection connection(test.io, context);
    const HttpsUrl url{"", "127.0.0.1", silent.local_endpoint().port()};
    const auto open = [&]() -> asio::awaitable<Status> {
        TlsSession none(nullptr, &SSL_SESSION_free);
        co_return co_await connection.open(url, std::move(none),
                                           EventLoop::Clock::now() + hours(1));
    };
    const auto outcome = test.start(open());
    TlsServer::Tcp::socket accepted(test.io);
    bool connected = false;
    silent.async_accept(accepted, [&](const ErrorCode&) { connected = true; });
    REQUIRE(test.turns_until([&] { return connected; }));
    test.turn(milliseconds(20));
    CHECK_FALSE(outcome->has_value());
    test.pass(hours(1));
    REQUIRE(test.turns_until([&] { return outcome->has_value(); }));
    CHECK_FALSE((*outcome)->ok());
}

TEST_CASE("HttpsConnection: trusts only a certificate of the CA, the address and the time",
          "[https]") {
    const std::vector<SubjectName> address = {{GEN_IPADD, {127, 0, 0, 1}}};
    CHECK(Fixture({}, false, make_certificate(address)).open().ok());
    CHECK_FALSE(Fixture({}, false, make_certificate({{GEN_IPADD, {127, 0, 0, 2}}})).open().ok());
    CHECK_FALSE(Fixture({}, false, make_certificate({{GEN_DNS, "localhost"}})).open().ok());
    CHECK_FALSE(Fixture({}, false, make_certificate(address, -3600, -60)).open().ok());
    CHECK_FALSE(Fixture({}, false, make_certificate(address, 3600, 7200)).open().ok());
    Fixture fixture({});
    const Fixture other({});
    fixture.context = make_client_context(other.server.ca(), "ca").value();
    fixture.connection.emplace(fixture.io, *fixture.context);
    CHECK_FALSE(fixture.open().ok());
}

TEST_CASE("HttpsConnection: may be reused until either side ends it", "[https]") {
    const std::string kept = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    Fixture fixture({kept});
    CHECK_FALSE(fixture.connection->is_alive());
    REQUIRE(fixture.open().ok());
    REQUIRE(fixture.ask().ok());
    CHECK(fixture.connection->is_alive());
    for (const char* reply : {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                              "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
        fixture.replies = {reply};
        fixture.renew();
        REQUIRE(fixture.ask().ok());
        CHECK_FALSE(fixture.connection->is_alive());
    }
    fixture.replies = {kept};
    fixture.closes = true;
    fixture.renew();
    REQUIRE(fixture.ask().ok());
    CHECK(fixture.turns_until([&] { return !fixture.connection->is_alive(); }));
}

}  // namespace
}  // namespace secrets::net
