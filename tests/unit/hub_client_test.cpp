// SPDX-License-Identifier: Apache-2.0
// Promise: a node's request reaches a hub as long as one answers, with a credential for that one
// request; what a user sends with a credential of the user's own is sent unchanged, and once.

#include "agentd/node/hub_client.h"

#include "agentd/api/grant_body.h"
#include "agentd/node/hub_proxy.h"
#include "agentd/node/remote_submit_check.h"
#include "common/auth/hub_request.h"
#include "common/auth/sha256.h"
#include "common/base/text_encoding.h"
#include "tests/unit/fake_hub.h"
#include "tests/unit/fake_munge.h"
#include "tests/unit/office.h"

namespace secrets::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
namespace http = boost::beast::http;

/// A client of two hubs.
struct Fixture {
    Fixture() {
        service::keep_the_log_quiet();
        fake_munge().is_away = false;
        Hub config;
        config.urls = {one.url(), two.url()};
        auto context = net::make_client_context(certificate.file(), "hub.ca");
        REQUIRE(context.ok());
        client.emplace(loop.io, config, std::move(context).value());
    }
    ~Fixture() {
        client->stop();
        one.stop();
        two.stop();
        loop.turn(milliseconds(50));
        fake_munge().is_away = false;
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    HubClient::Result ask(milliseconds time = seconds(2)) {
        net::HttpsRequest request{"POST", "/v1/grants", "{}"};
        return loop.result_of(client->ask(std::move(request), HubClient::Clock::now() + time));
    }
    auto pass_on(milliseconds time = seconds(5)) {
        net::HttpsRequest request{"GET", "/v1/runs"};
        request.authorization = "Munge abc";
        return loop.result_of(client->pass_on(std::move(request), HubClient::Clock::now() + time));
    }

    EventLoop loop;
    LoopbackCertificate certificate;
    FakeHub one{loop, certificate};
    FakeHub two{loop, certificate};
    std::optional<HubClient> client;
};

TEST_CASE("HubClient: sends each request with a credential for that request and hub") {
    Fixture fixture;
    const std::uint32_t made = fake_munge().made;
    REQUIRE(fixture.ask().ok());
    REQUIRE(fixture.ask().ok());
    CHECK(fake_munge().made == made + 2);
    REQUIRE(fixture.one.asked.size() == 2);
    const FakeHub::Request& asked = fixture.one.asked.front();
    CHECK(asked.method_string() == "POST");
    CHECK(asked.target() == "/v1/grants");
    CHECK(asked[http::field::content_type] == "application/json");
    const std::string digest = to_hex(sha256_of(std::as_bytes(std::span("{}", 2))));
    CHECK(asked[http::field::authorization] == "Munge " + std::string(kFakeCredential) +
                                                   "slurm-secrets 1|127.0.0.1|POST|/v1/grants|" +
                                                   digest + "|");
}

TEST_CASE("HubClient: asks the hub that answered last first") {
    Fixture fixture;
    fixture.one.answer = [](const auto&, auto& response) { deny(response, 503, "busy"); };
    const auto told = fixture.ask();
    REQUIRE(told.ok());
    CHECK(told->status == 200);
    CHECK(fixture.client->preferred() == 1);
    REQUIRE(fixture.ask().ok());
    CHECK(fixture.one.asked.size() == 1);
    CHECK(fixture.two.asked.size() == 2);
}

TEST_CASE("HubClient: leaves the other hub its share of the time when one is silent") {
    Fixture fixture;
    fixture.one.is_silent = true;
    const auto begin = HubClient::Clock::now();
    const auto told = fixture.ask(milliseconds(600));
    REQUIRE(told.ok());
    CHECK(told->status == 200);
    CHECK(HubClient::Clock::now() - begin < milliseconds(600));
}

TEST_CASE("HubClient: returns a hub's denial of the grant itself without asking the other") {
    Fixture fixture;
    fixture.one.answer = [](const auto&, auto& response) {
        deny(response, 403, "not yours", std::string(api::kGrantDenied));
    };
    const auto told = fixture.ask();
    REQUIRE(told.ok());
    CHECK(told->status == 403);
    CHECK(told->detail == "not yours");
    CHECK(fixture.two.asked.empty());
}

TEST_CASE("HubClient: asks the other hub when one refuses for a reason of its own") {
    Fixture fixture;
    fixture.one.answer = [](const auto&, auto& response) { deny(response, 403, "no agent"); };
    SECTION("which answers") {
        REQUIRE(fixture.ask().ok());
        CHECK(fixture.ask()->status == 200);
        CHECK(fixture.client->preferred() == 1);
    }
    SECTION("which refuses, too: neither will grant it soon") {
        fixture.two.answer = fixture.one.answer;
        const auto told = fixture.ask(seconds(5));
        REQUIRE(told.ok());
        CHECK(told->detail == "no agent");
        CHECK(fixture.one.asked.size() + fixture.two.asked.size() == 2);
    }
    SECTION("which is busy for a moment") {
        fixture.two.answer = [&](const auto&, auto& response) {
            if (fixture.two.asked.size() == 1) deny(response, 503, "busy");
        };
        const auto told = fixture.ask();
        REQUIRE(told.ok());
        CHECK(told->status == 200);
    }
    SECTION("which stays busy") {
        fixture.two.answer = [](const auto&, auto& response) { deny(response, 503, "busy"); };
        const auto told = fixture.ask(milliseconds(300));
        REQUIRE(told.ok());
        CHECK(told->detail == "busy");
    }
}

TEST_CASE("HubClient: asks again when one hub refuses and the other one restarts") {
    Fixture fixture;
    fixture.one.answer = [](const auto&, auto& response) { deny(response, 403, "no agent"); };
    fixture.two.is_silent = true;
    std::optional<HubClient::Result> told;
    net::HttpsRequest request{"POST", "/v1/grants", "{}"};
    fixture.loop.start(
        fixture.client->ask(std::move(request), HubClient::Clock::now() + seconds(5)), told);
    REQUIRE(fixture.loop.turns_until([&] { return !fixture.two.asked.empty(); }));
    fixture.two.is_silent = false;
    fixture.two.close_connections();
    REQUIRE(fixture.loop.turns_until([&] { return told.has_value(); }));
    REQUIRE(told->ok());
    CHECK((*told)->status == 200);
}

TEST_CASE("HubClient: returns a 503 if no hub has a better response") {
    Fixture fixture;
    fixture.one.answer = [](const auto&, auto& response) { deny(response, 503, "busy"); };
    fixture.two.stop();
    const auto told = fixture.ask(milliseconds(300));
    REQUIRE(told.ok());
    CHECK(told->status == 503);
    CHECK(told->detail == "busy");
}

TEST_CASE("HubClient: asks again until its deadline, and names each hub that did not answer") {
    Fixture fixture;
    fixture.one.stop();
    fixture.two.stop();
    const auto told = fixture.ask(milliseconds(300));
    REQUIRE_FALSE(told.ok());
    CHECK(told.status().message().find(fixture.one.url().text) != std::string::npos);
    CHECK(told.status().message().find(fixture.two.url().text) != std::string::npos);
}

TEST_CASE("HubClient: sends nothing without a credential") {
    Fixture fixture;
    fake_munge().is_away = true;
    const auto told = fixture.ask(milliseconds(300));
    REQUIRE_FALSE(told.ok());
    CHECK(told.status().message().find("MUNGE") != std::string::npos);
    CHECK(fixture.one.asked.empty());
}

TEST_CASE("HubClient: does not send to a hub whose certificate is not of its CA") {
    Fixture fixture;
    const LoopbackCertificate other;
    FakeHub impostor(fixture.loop, other);
    Hub config;
    config.urls = {impostor.url()};
    HubClient client(fixture.loop.io, config,
                     net::make_client_context(fixture.certificate.file(), "hub.ca").value());
    net::HttpsRequest request{"POST", "/v1/grants", "{}"};
    const auto told = fixture.loop.result_of(
        client.ask(std::move(request), HubClient::Clock::now() + milliseconds(300)));
    REQUIRE_FALSE(told.ok());
    CHECK(told.status().message().find("certificate") != std::string::npos);
    CHECK(impostor.asked.empty());
    client.stop();
    impostor.stop();
    fixture.loop.turn(milliseconds(20));
}

TEST_CASE("HubClient: ends a pending request when the agent ends") {
    Fixture fixture;
    fixture.one.is_silent = true;
    std::optional<HubClient::Result> told;
    net::HttpsRequest request{"POST", "/v1/grants", "{}"};
    fixture.loop.start(
        fixture.client->ask(std::move(request), HubClient::Clock::now() + seconds(60)), told);
    REQUIRE(fixture.loop.turns_until([&] { return !fixture.one.asked.empty(); }));
    fixture.client->stop();
    REQUIRE(fixture.loop.turns_until([&] { return told.has_value(); }));
    CHECK_FALSE(told->ok());
}

TEST_CASE("HubClient: forwards a user's credential once, and makes none") {
    Fixture fixture;
    const std::uint32_t made = fake_munge().made;
    const auto told = fixture.pass_on();
    REQUIRE(std::holds_alternative<net::HttpsResponse>(told));
    REQUIRE(fixture.one.asked.size() == 1);
    CHECK(fixture.one.asked.front()[http::field::authorization] == "Munge abc");
    CHECK(fixture.two.asked.empty());
    CHECK(fake_munge().made == made);
}

TEST_CASE("HubClient: moves to a hub that can be reached, and does not forward to it") {
    Fixture fixture;
    fixture.one.stop();
    CHECK(std::holds_alternative<HubClient::Moved>(fixture.pass_on()));
    CHECK(fixture.client->preferred() == 1);
    CHECK(fixture.two.asked.empty());
    fixture.two.stop();
    fixture.loop.turn(milliseconds(20));
    CHECK(std::holds_alternative<Status>(fixture.pass_on(milliseconds(2500))));
}

/// Has a hub answer a request that a user sends through the node.
struct Proxied : Fixture {
    api::HttpResponse forward(std::string_view body = "") {
        api::RequestHead head{Uid{1001},   "PUT",         "/v1/runs/r%2D1", "application/json; x=y",
                              body.size(), !body.empty(), "Munge abc"};
        head.if_match = "\"7\"";
        head.if_none_match = "*";
        auto decision = proxy.forward(head);
        REQUIRE(std::holds_alternative<api::Router::Handler>(decision));
        const std::string copy(body);
        auto response = std::get<api::Router::Handler>(decision)(std::as_bytes(std::span(copy)));
        REQUIRE(response.later);
        return loop.result_of(response.later([] { return false; }));
    }

    HubProxy proxy{*client};
};

TEST_CASE("HubProxy: sends a request as it came, and returns the hub's response unchanged") {
    Proxied fixture;
    fixture.one.answer = [](const auto&, auto& response) {
        response.result(201);
        response.set(http::field::etag, "\"8\"");
        response.set(http::field::content_type, "application/json");
        response.body() = "{\"run\":1}";
    };
    const api::HttpResponse response = fixture.forward("{\"a\":1}");
    CHECK(response.status == 201);
    CHECK(response.etag == "\"8\"");
    CHECK(response.content_type == "application/json");
    CHECK(text_of(response.secret.view().bytes()) == "{\"run\":1}");
    REQUIRE(fixture.one.asked.size() == 1);
    const FakeHub::Request& asked = fixture.one.asked.front();
    CHECK(asked.method_string() == "PUT");
    CHECK(asked.target() == "/v1/runs/r%2D1");
    CHECK(asked[http::field::content_type] == "application/json; x=y");
    CHECK(asked[http::field::authorization] == "Munge abc");
    CHECK(asked[http::field::if_match] == "\"7\"");
    CHECK(asked[http::field::if_none_match] == "*");
    CHECK(asked.body() == "{\"a\":1}");
}

TEST_CASE("HubProxy: challenges for the hub that answers, if the credential is for another") {
    Proxied fixture;
    fixture.one.answer = [](const auto&, auto& response) { deny(response, 401, "other hub"); };
    CHECK(fixture.forward().challenge == "Munge hub=\"127.0.0.1\"");
    fixture.one.stop();
    const api::HttpResponse moved = fixture.forward();
    CHECK(moved.status == 401);
    CHECK(moved.challenge == "Munge hub=\"127.0.0.1\"");
    CHECK(fixture.two.asked.empty());
    fixture.two.stop();
    fixture.loop.turn(milliseconds(20));
    CHECK(fixture.forward().status == 504);
}

/// Has a hub check a spec of alice.
struct Checked : Fixture {
    std::string check() { return loop.result_of(checks.why_not_submit(Uid{1001}, "run:r,A")); }

    RemoteSubmitCheck checks{*client, "n1"};
};

TEST_CASE("RemoteSubmitCheck: returns the hub's sentence about a spec") {
    Checked fixture;
    fixture.one.answer = [](const auto&, auto& response) {
        response.body() = R"({"ok":false,"sentence":"A does not exist"})";
    };
    CHECK(fixture.check() == "A does not exist");
    REQUIRE(fixture.one.asked.size() == 1);
    CHECK(fixture.one.asked.front().target() == "/v1/checks");
    CHECK(fixture.one.asked.front().body() == R"({"uid":1001,"ask":"run:r,A","node":"n1"})");
    fixture.one.answer = [](const auto&, auto& response) { response.body() = R"({"ok":true})"; };
    CHECK(fixture.check().empty());
}

TEST_CASE("RemoteSubmitCheck: passes a spec that no hub can check") {
    Checked fixture;
    fixture.one.answer = [](const auto&, auto& response) { deny(response, 403, "not a node"); };
    CHECK(fixture.check().empty());
    fixture.one.stop();
    fixture.two.stop();
    CHECK(fixture.check().empty());
}

}  // namespace
}  // namespace secrets::node
