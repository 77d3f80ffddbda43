// SPDX-License-Identifier: Apache-2.0
// Promise: a node's control door answers by itself what is about its agent and what is wrong with a
// request whoever made it; all else goes to the hub as it came, and not without a credential.

#include <boost/json.hpp>

#include "agentd/api/handlers.h"
#include "agentd/api/hub_proxy_interface.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"

namespace secrets::node {
namespace {

using service::Office;

/// Keeps what it is to pass on.
struct Noted final : api::HubProxyInterface {
    std::string challenge() const override { return "Munge hub=\"hub\""; }
    api::HttpResponse pass_on(api::ProxiedHead head, std::span<const std::byte> body) override {
        passed.push_back(std::move(head));
        bodies.emplace_back(reinterpret_cast<const char*>(body.data()), body.size());
        return {299, "", ""};
    }
    std::vector<api::ProxiedHead> passed;
    std::vector<std::string> bodies;
};

struct Node {
    api::HttpResponse ask(api::RequestHead head, std::string_view body = "") {
        if (!body.empty()) {
            head.content_type = "application/json; charset=utf-8";
            head.content_length = body.size();
            head.has_body = true;
        }
        auto found = routes.find(head);
        if (auto* answer = std::get_if<api::HttpResponse>(&found)) return std::move(*answer);
        return std::get<api::Router::Handler>(found)(std::as_bytes(std::span(body)));
    }
    api::RequestHead head(std::string_view method, std::string_view target,
                          std::string_view authorization = "Munge abc") const {
        return {office.bob, method, target, "", std::nullopt, false, authorization};
    }

    Office office;
    Noted relay;
    api::Router routes{office.services, api::route_table(), &relay};
};

TEST_CASE("HubProxy: answers requests about the agent of the node without the hub", "[relay]") {
    Node node;
    for (const auto target : {"/v1/status", "/metrics", "/v1/openapi.json", "/v1/events"}) {
        CAPTURE(target);
        CHECK(node.ask(node.head("GET", target)).status == 200);
    }
    CHECK(node.relay.passed.empty());
}

TEST_CASE("HubProxy: forwards every other route without a local decision", "[relay]") {
    Node node;
    std::size_t passed = 0;
    for (const api::Route& entry : api::route_table()) {
        std::string target(entry.path);
        for (const auto& [part, name] : {std::pair("{run}", "r"), std::pair("{name}", "A"),
                                         std::pair("{workspace}", "none")}) {
            const auto at = target.find(part);
            if (at != target.npos) target.replace(at, std::string_view(part).size(), name);
        }
        if (target == "/v1/status" || target == "/metrics" || target == "/v1/openapi.json" ||
            target == "/v1/events") {
            continue;
        }
        CAPTURE(std::string(entry.method), target);
        const bool has_body = entry.method == "PUT" || entry.method == "PATCH";
        // bob could do none of it here.
        CHECK(node.ask(node.head(entry.method, target), has_body ? "{no JSON" : "").status == 299);
        CHECK(node.relay.passed.size() == ++passed);
    }
    CHECK(passed > 10);
}

TEST_CASE("HubProxy: forwards a request unchanged", "[relay]") {
    Node node;
    api::RequestHead head = node.head("PUT", "/v1/runs/r%2D1");
    head.if_match = "\"7\"";
    head.if_none_match = "*";
    CHECK(node.ask(head, "{\"a\":1}").status == 299);
    REQUIRE(node.relay.passed.size() == 1);
    const api::ProxiedHead& passed = node.relay.passed.front();
    CHECK(passed.method == "PUT");
    CHECK(passed.target == "/v1/runs/r%2D1");
    CHECK(passed.content_type == "application/json; charset=utf-8");
    CHECK(passed.authorization == "Munge abc");
    CHECK(passed.if_match == "\"7\"");
    CHECK(passed.if_none_match == "*");
    CHECK(node.relay.bodies.front() == "{\"a\":1}");
    CHECK(node.ask(node.head("GET", "/v1/check?ask=A%2CB")).status == 299);
    CHECK(node.relay.passed.back().target == "/v1/check?ask=A%2CB");
}

TEST_CASE("HubProxy: challenges a request without a credential and names the hub", "[relay]") {
    Node node;
    for (const api::HttpResponse& answer :
         {node.ask(node.head("GET", "/v1/secrets", "")),
          node.ask(node.head("PUT", "/v1/secrets/A", ""), "{}")}) {
        CHECK(answer.status == 401);
        CHECK(answer.challenge == "Munge hub=\"hub\"");
        CHECK(answer.content_type == "application/problem+json");
        CHECK(boost::json::parse(answer.body).at("title").as_string() == "Unauthorized");
    }
    CHECK(node.relay.passed.empty());
}

TEST_CASE("HubProxy: rejects a malformed request before contacting the hub", "[relay]") {
    Node node;
    CHECK(node.ask(node.head("GET", "/v1/nothing", "")).status == 404);
    CHECK(node.ask(node.head("POST", "/v1/secrets", "")).status == 405);
    CHECK(node.ask(node.head("POST", "/v1/grants")).status == 404);
    CHECK(node.ask(node.head("POST", "/v1/checks")).status == 404);
    CHECK(node.ask(node.head("GET", "/v1/runs?x=1")).status == 400);
    CHECK(node.ask(node.head("PUT", "/v1/secrets/A")).status == 411);
    CHECK(node.ask(node.head("PUT", "/v1/secrets/A"), std::string(300000, 'x')).status == 413);
    CHECK(node.ask(node.head("DELETE", "/v1/secrets/A"), "{}").status == 400);
    CHECK(node.relay.passed.empty());
}

}  // namespace
}  // namespace secrets::node
