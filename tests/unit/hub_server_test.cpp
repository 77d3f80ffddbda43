// SPDX-License-Identifier: Apache-2.0
// Promise: a hub answers over TLS whoever munge identifies for the very request that comes, and a
// node's step is given what was pushed at the hub until that ends there.

#include "agentd/server/hub_server.h"

#include "agentd/api/grant_body.h"
#include "agentd/api/handlers.h"
#include "agentd/hub/node_routes.h"
#include "agentd/net/tcp_listen.h"
#include "agentd/node/hold_reporter.h"
#include "common/auth/hub_request.h"
#include "common/auth/sha256.h"
#include "common/base/text_encoding.h"
#include "tests/unit/fake_hub.h"
#include "tests/unit/fake_munge.h"
#include "tests/unit/office.h"
#include "tests/unit/view_server.h"

namespace secrets::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

slurm_query::Reply runs_there(const slurm_query::Request& request) {
    const auto& places = std::get<slurm_query::PlacementsRequest>(request).places;
    return slurm_query::Verdicts{std::vector(places.size(), slurm_query::Verdict::runs_there), ""};
}

Config config_of(const ViewServer& view) {
    Config config = service::Office::small();
    config.view_socket = view.path();
    config.listen.agents = "bob";
    return config;
}

/// A hub with run r of alice, and a client of it, both in one loop.
struct Fixture {
    Fixture() {
        fake_munge().is_away = false;
        fake_munge().uid = at_hub.bob.value;
        REQUIRE(at_hub.push(at_hub.alice, "r", {}, list_of(user_secret("A", "value"))).ok());
        Listen listen;
        listen.host = "127.0.0.1";
        listen.certificate = certificate.file();
        listen.key = certificate.key_file();
        auto listener = net::listen_at_address(listen.host, 0);
        REQUIRE(listener.ok());
        auto context = net::make_server_context(listen);
        REQUIRE(context.ok());
        port = port_of(*listener);
        const HttpsUrl url = loopback_url(port);
        server.emplace(loop.io, std::move(listener).value(), std::move(context).value(),
                       at_hub.services, hub::hub_routes(handler), nullptr);
        Hub config;
        config.urls = {url};
        auto client_context = net::make_client_context(certificate.file(), "hub.ca");
        REQUIRE(client_context.ok());
        client.emplace(loop.io, config, std::move(client_context).value());
    }
    ~Fixture() {
        supervisor.stop();
        client->stop();
        server->stop();
        server->end_silent();
        server->abort();
        waiters.stop();
        handler.stop();
        loop.turn(milliseconds(100));
        fake_munge().is_away = false;
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    static std::uint16_t port_of(const UniqueFd& listener) {
        sockaddr_in address{};
        socklen_t length = sizeof(address);
        REQUIRE(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
        return ntohs(address.sin_port);
    }

    net::HttpsResponse ask(net::HttpsRequest request) {
        auto told = loop.result_of(
            client->ask_hub(0, std::move(request), node::HubClient::Clock::now() + seconds(5)));
        REQUIRE(told.ok());
        return std::move(told).value();
    }
    /// Asks with a credential that was made for `made_for`.
    net::HttpsResponse ask(const std::string& method, const std::string& target,
                           const HubRequest& made_for, const std::string& body = "") {
        net::HttpsRequest request{method, target, body};
        std::string credential = "Munge " + (kFakeCredential + print_hub_request(made_for));
        std::replace(credential.begin(), credential.end(), '\n', '|');
        request.authorization = credential;
        return ask(std::move(request));
    }

    EventLoop loop;
    std::uint16_t port = 0;
    LoopbackCertificate certificate;
    ViewServer view{runs_there};
    Supervisor supervisor{loop.io, [](const auto&, const auto&, auto) {}};
    service::Office at_hub;
    service::RunWaiters waiters;
    hub::NodeApiHandler handler{loop.io,         supervisor, config_of(view),
                                at_hub.services, waiters,    nullptr};
    std::optional<HubServer> server;
    std::optional<node::HubClient> client;
};

std::string digest_of(std::string_view body) {
    return to_hex(sha256_of(std::as_bytes(std::span(body))));
}

TEST_CASE("HubServer: answers as the user whom munge identifies") {
    Fixture fixture;
    fake_munge().uid = fixture.at_hub.alice.value;
    const net::HttpsResponse runs = fixture.ask({"GET", "/v1/runs/r"});
    CHECK(runs.status == 200);
    CHECK(text_of(runs.body.view().bytes()).find("alice") != std::string_view::npos);
    fake_munge().uid = fixture.at_hub.bob.value;
    CHECK(fixture.ask({"GET", "/v1/runs/r"}).status != 200);
}

TEST_CASE("HubServer: denies a credential that was made for another request") {
    Fixture fixture;
    fake_munge().uid = fixture.at_hub.alice.value;
    const HubRequest right{"127.0.0.1", "GET", "/v1/runs/r", digest_of("")};
    CHECK(fixture.ask("GET", "/v1/runs/r", right).status == 200);
    HubRequest wrong = right;
    SECTION("at another hub") {
        wrong.host = "127.0.0.2";
    }
    SECTION("with another method") {
        wrong.method = "DELETE";
    }
    SECTION("of another path") {
        wrong.target = "/v1/runs/s";
    }
    SECTION("with another body") {
        wrong.body_digest = digest_of("{}");
    }
    CHECK(fixture.ask("GET", "/v1/runs/r", wrong).status == 401);
}

TEST_CASE("HubServer: changes nothing for a body that the credential was not made for") {
    Fixture fixture;
    fake_munge().uid = fixture.at_hub.alice.value;
    const std::string before = fixture.at_hub.state();
    const HubRequest made_for{"127.0.0.1", "PUT", "/v1/runs/r", digest_of("{}")};
    const net::HttpsResponse answer =
        fixture.ask("PUT", "/v1/runs/r", made_for, R"({"user":{"A":"other"}})");
    CHECK(answer.status == 401);
    CHECK(fixture.at_hub.state() == before);
}

TEST_CASE("HubServer: denies a request that does not say whose it is") {
    Fixture fixture;
    net::HttpsRequest request{"GET", "/v1/runs/r"};
    request.authorization = "Basic YTpi";
    CHECK(fixture.ask(std::move(request)).status == 401);
    net::HttpsRequest forged{"GET", "/v1/runs/r"};
    forged.authorization = "Munge forged";
    CHECK(fixture.ask(std::move(forged)).status == 401);
}

TEST_CASE("HubServer: asks the client to try again if munged does not answer") {
    Fixture fixture;
    fake_munge().is_away = true;
    net::HttpsRequest request{"GET", "/v1/runs/r"};
    request.authorization = "Munge abc";
    const net::HttpsResponse answer = fixture.ask(std::move(request));
    CHECK(answer.status == 503);
    CHECK(answer.retry_after);
}

TEST_CASE("HubServer: serves a client at an address from which silent connections come") {
    Fixture fixture;
    fake_munge().uid = fixture.at_hub.alice.value;
    std::vector<asio::ip::tcp::socket> flood;
    for (int i = 0; i < 300; ++i) {
        flood.emplace_back(fixture.loop.io);
        flood.back().connect({asio::ip::address_v4::loopback(), fixture.port});
        if (i % 50 == 0) fixture.loop.turn();
    }
    fixture.loop.turn(milliseconds(50));
    CHECK(fixture.ask({"GET", "/v1/runs/r"}).status == 200);
    CHECK(is_readable(flood.front().native_handle()));  // its end
    CHECK_FALSE(is_readable(flood.back().native_handle()));
}

TEST_CASE("HubServer: counts the body of an agent for its host, and not for all agents") {
    Fixture fixture;
    net::BodyBudget& bodies = fixture.at_hub.services.context.bodies;
    bodies.configure({300'000, 100'000});
    const std::string report = api::print_report({}) + std::string(50'000, ' ');
    const auto status = [&] { return fixture.ask({"PUT", "/v1/nodes/n1/holds", report}).status; };
    CHECK(status() == 200);
    const std::string account = name_of(auth::Principal(fixture.at_hub.bob));
    net::BodyBudget::Charge of_account(bodies, account);
    REQUIRE(of_account.raise(100'000).ok());
    CHECK(status() == 200);
    net::BodyBudget::Charge of_host(bodies, account + " at 127.0.0.1");
    REQUIRE(of_host.raise(100'000).ok());
    CHECK(status() == 503);
}

/// A node of the hub.
struct Cluster : Fixture {
    ~Cluster() {
        supervisor.stop();
        reporter.stop();
    }
    service::GrantAnswer ask_step(std::uint32_t wait = 0, std::string spec = "run:r") {
        plugin_protocol::GrantRequest step{JobId{7}, StepId{0},       at_node.alice,
                                           wait,     std::move(spec), 625};
        return loop.result_of(grants.ask(std::move(step), [] { return false; }));
    }

    service::Office at_node;
    node::RemoteGrants grants{*client, at_node.services, "n1"};
    node::HoldReporter reporter{loop.io,
                                supervisor,
                                *client,
                                grants,
                                at_node.services,
                                "n1",
                                {milliseconds(5), milliseconds(9)}};
};

TEST_CASE("Hub and node: give a step what was pushed, until the run ends at the hub") {
    Cluster cluster;
    CHECK(service::given(cluster.ask_step()) == "A=value\n");
    CHECK(service::given(cluster.ask_step()) == "A=value\n");
    CHECK(cluster.at_hub.services.context.node_holds.is_held("r"));
    CHECK(cluster.at_node.vault.inventory().cached_grants == 1);
    REQUIRE(cluster.at_hub.services.runs.complete_run(cluster.at_hub.alice, run_id("r")).ok());
    CHECK(cluster.loop.turns_until(
        [&] { return cluster.at_node.vault.inventory().cached_grants == 0; }));
    CHECK(cluster.loop.turns_until(
        [&] { return !cluster.at_hub.services.context.node_holds.is_held("r"); }));
    CHECK(service::status_of(cluster.ask_step()).code() == StatusCode::not_found);
}

TEST_CASE("Hub and node: deny a step on a node whose agent runs as another account") {
    Cluster cluster;
    fake_munge().uid = cluster.at_hub.alice.value;
    CHECK(service::status_of(cluster.ask_step()).code() == StatusCode::permission_denied);
    CHECK_FALSE(cluster.at_hub.services.context.node_holds.is_held("r"));
}

TEST_CASE("Hub and node: go on with what was granted while munged does not answer") {
    Cluster cluster;
    CHECK(service::given(cluster.ask_step()) == "A=value\n");
    fake_munge().is_away = true;
    CHECK(service::given(cluster.ask_step()) == "A=value\n");
    CHECK(service::status_of(cluster.ask_step(0, "run:r,A")).code() == StatusCode::unavailable);
}

}  // namespace
}  // namespace secrets::server
