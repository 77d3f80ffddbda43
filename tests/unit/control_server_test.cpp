// SPDX-License-Identifier: Apache-2.0
// Promise: the control socket answers every HTTP client as the user that the kernel reports, before
// the body is read where the head decides, and finishes begun requests when the agent ends.

#include "agentd/server/control_server.h"

#include "agentd/net/async_condition.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/fake_shared_store.h"
#include "tests/unit/http_client.h"
#include "tests/unit/office.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::server {
namespace {

using std::chrono::milliseconds;

const std::string kRun = R"({"user":{"A":"value"}})";

/// An agent and its control server, as whose client alice is connected.
struct Fixture {
    explicit Fixture(service::SharedStore* shared = nullptr, api::Router::Forward forward = nullptr)
        : path(folder.file("control.sock")),
          server(loop.io, listen_at(path, SocketKind::stream, 0600).value(), office.services,
                 std::move(forward), shared) {
        set_peer(office.alice);
    }
    ~Fixture() {
        server.stop();
        server.end_silent();
        server.abort();
        loop.turn(std::chrono::seconds(10));  // until no session is left
        set_peer(std::nullopt);
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    HttpClient connect() { return {loop, path}; }
    /// Asks on a connection of its own.
    HttpReply ask(const std::string& method, const std::string& target,
                  const std::string& body = "") {
        HttpClient client = connect();
        auto reply = client.ask(method, target, body);
        REQUIRE(reply);
        return *reply;
    }

    EventLoop loop;
    TemporaryFolder folder;
    std::string path;
    service::Office office;
    ControlServer server;
};

TEST_CASE("ControlServer: answers as the user whom the kernel reports") {
    Fixture fixture;
    CHECK(fixture.ask("PUT", "/v1/runs/r", kRun).status == 201);
    CHECK(fixture.ask("GET", "/v1/runs/r").status == 200);
    CHECK(fixture.office.info("r").head.owner == fixture.office.alice);
    set_peer(fixture.office.bob);
    CHECK(fixture.ask("DELETE", "/v1/runs/r").status == 403);
    CHECK(fixture.office.info("r").head.owner == fixture.office.alice);
}

TEST_CASE("ControlServer: keeps the user of a connection although a later one is another's") {
    Fixture fixture;
    HttpClient of_alice = fixture.connect();
    REQUIRE(of_alice.ask("PUT", "/v1/runs/r", kRun)->status == 201);
    set_peer(fixture.office.bob);
    HttpClient of_bob = fixture.connect();
    CHECK(of_bob.ask("GET", "/v1/runs/r")->status != 200);
    CHECK(of_alice.ask("GET", "/v1/runs/r")->status == 200);
}

TEST_CASE("HttpSession: serves the requests of one connection in turn, also pipelined ones") {
    Fixture fixture;
    HttpClient client = fixture.connect();
    client.request("PUT", "/v1/runs/r", kRun);
    client.request("GET", "/v1/runs/r");
    client.request("DELETE", "/v1/runs/r");
    CHECK(client.next()->status == 201);
    const auto read = client.next();
    REQUIRE(read);
    CHECK(read->status == 200);
    CHECK(read->has("ETag: \""));
    CHECK(read->has("Cache-Control: no-store"));
    CHECK(client.next()->status == 204);
    client.send("GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n");
    CHECK(client.next()->status == 200);
    CHECK(client.is_closed_by_server());
}

TEST_CASE("HttpSession: answers HEAD without a body, and serves the next request") {
    Fixture fixture;
    HttpClient client = fixture.connect();
    client.request("HEAD", "/v1/runs/r");
    const auto reply = client.next(false);
    REQUIRE(reply);
    CHECK(reply->status == 405);
    CHECK(reply->has("Allow: PUT, GET, DELETE"));
    CHECK(client.ask("GET", "/v1/status")->status == 200);
}

TEST_CASE("HttpSession: answers what is no HTTP, or has a head too long, and ends the connection") {
    Fixture fixture;
    HttpClient garbage = fixture.connect();
    garbage.send("no request\r\n\r\n");
    CHECK(garbage.next()->status == 400);
    CHECK(garbage.is_closed_by_server());
    HttpClient too_long = fixture.connect();
    too_long.send("GET /v1/status HTTP/1.1\r\nX: " + std::string(kMaxHead, 'x'));
    CHECK(too_long.next()->status == 431);
}

TEST_CASE("HttpSession: denies a request by its head before its body comes") {
    Fixture fixture;
    HttpClient client = fixture.connect();
    client.send(
        "PUT /v1/runs/r HTTP/1.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000000\r\n\r\n{");
    const auto reply = client.next();
    REQUIRE(reply);
    CHECK(reply->status == 413);
    // What follows could be the rest of the body as well as a request.
    CHECK(reply->has("Connection: close"));
    CHECK(client.is_closed_by_server());
}

TEST_CASE("HttpSession: asks for the body of a client that expects that, unless it is denied") {
    Fixture fixture;
    const std::string head =
        "PUT /v1/runs/r HTTP/1.1\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        "Content-Length: ";
    HttpClient client = fixture.connect();
    client.send(head + std::to_string(kRun.size()) + "\r\n\r\n");
    CHECK(client.next()->status == 100);
    client.send(kRun);
    CHECK(client.next()->status == 201);
    HttpClient denied = fixture.connect();
    denied.send(head + "1000000\r\n\r\n");
    CHECK(denied.next()->status == 413);
}

TEST_CASE("HttpSession: changes nothing for a client that goes before its body is complete") {
    Fixture fixture;
    const std::string before = fixture.office.state();
    HttpClient client = fixture.connect();
    client.send(
        "PUT /v1/runs/r HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n" +
        kRun.substr(0, 21));
    fixture.loop.turn(milliseconds(20));
    client.close();
    fixture.loop.turn(milliseconds(20));
    CHECK(fixture.office.state() == before);
}

TEST_CASE("HttpSession: ends only connections that wait for a further request at a stop") {
    Fixture fixture;
    HttpClient served = fixture.connect();
    HttpClient silent = fixture.connect();
    HttpClient begun = fixture.connect();
    REQUIRE(served.ask("GET", "/v1/status")->status == 200);
    begun.send("GET /v1/status HTTP/1.1\r\n");
    fixture.loop.turn(milliseconds(20));
    fixture.server.stop();
    CHECK(served.is_closed_by_server());
    fixture.loop.turn(milliseconds(20));
    CHECK_FALSE(silent.is_answered());
    begun.send("\r\n");
    const auto last = begun.next();
    REQUIRE(last);
    CHECK(last->status == 200);
    CHECK(last->has("Connection: close"));
    CHECK(begun.is_closed_by_server());
    fixture.server.end_silent();
    CHECK(silent.is_closed_by_server());
}

/// A push of which only the head is sent.
std::string head_of_push(const std::string& run, std::size_t length) {
    return "PUT /v1/runs/" + run +
           " HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(length) + "\r\n\r\n";
}

/// As many bytes as a push may have with the limits of Office.
constexpr std::size_t kLongestPush = 2 * 100 + 256 * 1024;

TEST_CASE("HttpSession: takes memory for a body as it arrives, whatever length was announced") {
    Fixture fixture;
    const net::BodyBudget& bodies = fixture.office.services.context.bodies;
    HttpClient client = fixture.connect();
    client.send(head_of_push("r", kLongestPush));
    fixture.loop.turn(milliseconds(20));
    CHECK(bodies.used() == 0);
    client.send(std::string(40000, ' '));
    fixture.loop.turn(milliseconds(20));
    CHECK(bodies.used() >= 40000);
    CHECK(bodies.used() <= 80000);
    client.close();
    fixture.loop.turn(milliseconds(20));
    CHECK(bodies.used() == 0);
}

TEST_CASE("HttpSession: reads a body of any length whole, in pieces, and then the next request") {
    Fixture fixture;
    for (const std::size_t length : {22UL, 4096UL, 4097UL, 16385UL, 100000UL, kLongestPush}) {
        CAPTURE(length);
        HttpClient client = fixture.connect();
        std::string body = kRun + std::string(length - kRun.size(), ' ');
        body = head_of_push("r", length) + body + "GET /v1/runs/r HTTP/1.1\r\n\r\n";
        for (std::size_t at = 0; at < body.size(); at += 10000) {
            client.send(std::string_view(body).substr(at, 10000));
            fixture.loop.turn();
        }
        CHECK(client.next()->status / 100 == 2);
        CHECK(client.next()->status == 200);
    }
}

TEST_CASE("HttpSession: denies a body for which there is no memory before the body comes") {
    Fixture fixture;
    fixture.office.services.context.bodies.configure({200000, 100000});
    HttpClient begun = fixture.connect();
    begun.send(head_of_push("r", kLongestPush) + std::string(50000, ' '));
    fixture.loop.turn(milliseconds(20));
    HttpClient denied = fixture.connect();
    denied.send(head_of_push("s", 90000));
    const auto reply = denied.next();
    REQUIRE(reply);
    CHECK(reply->status == 503);
    CHECK(reply->has("Retry-After: 1"));
    CHECK(reply->body.find("cannot take a body of 90000 bytes now") != std::string::npos);
    CHECK(denied.is_closed_by_server());
    CHECK(fixture.ask("PUT", "/v1/runs/small", kRun).status == 201);
    set_peer(fixture.office.bob);
    CHECK(fixture.ask("PUT", "/v1/runs/of-bob", kRun + std::string(90000, ' ')).status == 201);
}

TEST_CASE("HttpSession: denies a body whose memory other bodies took meanwhile") {
    Fixture fixture;
    fixture.office.services.context.bodies.configure({100000, 100000});
    const std::string before = fixture.office.state();
    HttpClient first = fixture.connect();
    HttpClient second = fixture.connect();
    first.send(head_of_push("r", 70000));
    second.send(head_of_push("s", 70000));
    fixture.loop.turn(milliseconds(20));
    first.send(kRun + std::string(60000, ' '));
    fixture.loop.turn(milliseconds(20));
    second.send(kRun + std::string(60000, ' '));
    const auto reply = second.next();
    REQUIRE(reply);
    CHECK(reply->status == 503);
    CHECK(reply->has("Connection: close"));
    CHECK(fixture.office.state() == before);
    first.send(std::string(70000 - 60000 - kRun.size(), ' '));
    CHECK(first.next()->status == 201);
}

TEST_CASE(
    "ControlServer: closes the connection of a user that is idle for the longest for another") {
    Fixture fixture;
    std::vector<HttpClient> clients;
    for (int i = 0; i < 128; ++i) {
        clients.push_back(fixture.connect());
        fixture.loop.pass(milliseconds(1));
    }
    REQUIRE(clients.front().ask("GET", "/v1/status")->status == 200);
    CHECK(fixture.ask("GET", "/v1/status").status == 200);
    CHECK(clients[1].is_closed_by_server());
    CHECK(clients.front().ask("GET", "/v1/status")->status == 200);
    CHECK(clients.back().ask("GET", "/v1/status")->status == 200);
}

TEST_CASE("ControlServer: limits the connections of one user that are in use, but not of others") {
    Fixture fixture;
    std::vector<HttpClient> clients;
    for (int i = 0; i < 128; ++i) {
        clients.push_back(fixture.connect());
        clients.back().send(head_of_push("r", 100));
    }
    fixture.loop.turn(milliseconds(50));
    HttpClient one_more = fixture.connect();
    CHECK(one_more.is_closed_by_server());
    set_peer(fixture.office.bob);
    CHECK(fixture.ask("GET", "/v1/status").status == 200);
    set_peer(fixture.office.alice);
    clients.pop_back();
    fixture.loop.turn(milliseconds(20));
    CHECK(fixture.ask("GET", "/v1/status").status == 200);
}

TEST_CASE("ControlServer: has room for a further user although many users have all connections") {
    Fixture fixture;
    const bool in_use = GENERATE(false, true);
    std::vector<HttpClient> clients;
    for (std::uint32_t i = 0; i < 1024; ++i) {
        set_peer(Uid{100000 + i});
        clients.push_back(fixture.connect());
        if (in_use) clients.back().send(head_of_push("r", 100));
        fixture.loop.pass(milliseconds(1));
    }
    fixture.loop.turn(milliseconds(50));
    set_peer(in_use ? service::kRoot : fixture.office.alice);
    CHECK(fixture.ask("GET", "/v1/status").status == 200);
    if (!in_use) CHECK(clients.front().is_closed_by_server());
}

/// Another agent that answers as a test wants, when the test wants it.
struct Hub {
    asio::awaitable<api::HttpResponse> answer(api::IsGone gone) {
        is_gone = std::move(gone);
        co_await answers.wait();
        api::HttpResponse response{200, "application/octet-stream", ""};
        response.secret = buffer_of("bytes");
        co_return response;
    }
    api::Router::Forward function() {
        return [this](const api::RequestHead&) {
            return api::Router::Handler([this](std::span<const std::byte>) {
                api::HttpResponse response;
                response.later = [this](api::IsGone gone) { return answer(std::move(gone)); };
                return response;
            });
        };
    }

    api::IsGone is_gone;
    net::AsyncCondition answers;
};

TEST_CASE("HttpSession: writes a deferred response when it comes, with its secret body") {
    Hub hub;
    Fixture fixture(nullptr, hub.function());
    HttpClient client = fixture.connect();
    client.request("GET", "/v1/runs/r");
    REQUIRE(fixture.loop.turns_until([&] { return hub.is_gone != nullptr; }));
    CHECK_FALSE(client.is_answered());
    CHECK_FALSE(hub.is_gone());
    hub.answers.wake();
    const auto reply = client.next();
    REQUIRE(reply);
    CHECK(reply->status == 200);
    CHECK(reply->body == "bytes");
    // A request about the agent itself is not forwarded.
    CHECK(client.ask("GET", "/v1/status")->status == 200);
}

TEST_CASE("HttpSession: lets a deferred response see that its client has gone") {
    Hub hub;
    Fixture fixture(nullptr, hub.function());
    HttpClient client = fixture.connect();
    client.request("GET", "/v1/runs/r");
    REQUIRE(fixture.loop.turns_until([&] { return hub.is_gone != nullptr; }));
    client.close();
    CHECK(hub.is_gone());
    hub.answers.wake();
    fixture.loop.turn(milliseconds(20));
    CHECK(fixture.ask("GET", "/v1/status").status == 200);
}

TEST_CASE(
    "ControlServer: reads what a request depends on from the shared store before it answers") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    shared.on_refresh = [&] {
        REQUIRE(fixture.office.push(fixture.office.alice, "r", {}, {}).ok());
    };
    CHECK(fixture.ask("GET", "/v1/runs/r").status == 200);
    REQUIRE(shared.refreshed.size() == 1);
    CHECK(shared.refreshed.front().runs == std::set{run_id("r")});
    CHECK(fixture.ask("GET", "/v1/status").status == 200);
    CHECK(shared.refreshed.size() == 1);
}

TEST_CASE("ControlServer: denies a request while the shared store does not answer") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    shared.failure = Status::failed("no leader");
    const std::string before = fixture.office.state();
    for (const std::string method : {"GET", "PUT"}) {
        CAPTURE(method);
        const HttpReply reply =
            fixture.ask(method, "/v1/runs/r", method == "PUT" ? kRun : std::string());
        CHECK(reply.status == 503);
        CHECK(reply.has("Retry-After: "));
        CHECK(reply.body.find("no leader") != std::string::npos);
    }
    CHECK(fixture.office.state() == before);
}

TEST_CASE("ControlServer: makes a change again if another agent was faster, and answers once") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    shared.conflicts = 1;
    HttpClient client = fixture.connect();
    const auto reply = client.ask("PUT", "/v1/runs/r", kRun);
    REQUIRE(reply);
    // The second time the run is there already.
    CHECK(reply->status == 200);
    REQUIRE(shared.changed.size() == 1);
    CHECK(shared.changed.front().runs == std::set{run_id("r")});
    CHECK(client.ask("GET", "/v1/runs/r")->status == 200);
    CHECK(shared.changed.size() == 1);
}

}  // namespace
}  // namespace secrets::server
