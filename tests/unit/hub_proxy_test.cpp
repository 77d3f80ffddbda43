// SPDX-License-Identifier: Apache-2.0
// Promise: a node's control socket answers by itself what is about its agent and what is wrong with
// a request whoever made it; all else goes to the hub as it came, and not without a credential.

#include "agentd/node/hub_proxy.h"

#include <boost/json.hpp>

#include "agentd/api/handlers.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"

namespace secrets::node {
namespace {

using service::Office;

/// The head of a request that was forwarded, and its body.
struct Forwarded {
    std::string method;
    std::string target;
    std::string content_type;
    std::string authorization;
    std::string if_match;
    std::string if_none_match;
    std::string body{};
};

/// A node that notes what it forwards, and answers that with 299.
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

    api::Router::Decision note(const api::RequestHead& head) {
        Forwarded request{std::string(head.method),       std::string(head.target),
                          std::string(head.content_type), std::string(head.authorization),
                          std::string(head.if_match),     std::string(head.if_none_match)};
        return api::Router::Handler([this, request](std::span<const std::byte> body) {
            forwarded.push_back(request);
            forwarded.back().body = text_of(body);
            return api::HttpResponse{299, "", ""};
        });
    }

    Office office;
    std::vector<Forwarded> forwarded;
    api::Router routes{office.services, api::route_table(),
                       [this](const api::RequestHead& head) { return note(head); }};
};

TEST_CASE("Router: does not forward requests about the agent itself", "[relay]") {
    Node node;
    for (const auto target : {"/v1/status", "/metrics", "/v1/openapi.json", "/v1/events"}) {
        CAPTURE(target);
        CHECK(node.ask(node.head("GET", target)).status == 200);
    }
    CHECK(node.forwarded.empty());
}

TEST_CASE("Router: forwards every other route without a local decision", "[relay]") {
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
        CHECK(node.forwarded.size() == ++passed);
    }
    CHECK(passed > 10);
}

TEST_CASE("Router: forwards a request unchanged", "[relay]") {
    Node node;
    api::RequestHead head = node.head("PUT", "/v1/runs/r%2D1");
    head.if_match = "\"7\"";
    head.if_none_match = "*";
    CHECK(node.ask(head, "{\"a\":1}").status == 299);
    REQUIRE(node.forwarded.size() == 1);
    const Forwarded& passed = node.forwarded.front();
    CHECK(passed.method == "PUT");
    CHECK(passed.target == "/v1/runs/r%2D1");
    CHECK(passed.content_type == "application/json; charset=utf-8");
    CHECK(passed.authorization == "Munge abc");
    CHECK(passed.if_match == "\"7\"");
    CHECK(passed.if_none_match == "*");
    CHECK(passed.body == "{\"a\":1}");
    CHECK(node.ask(node.head("GET", "/v1/check?ask=A%2CB")).status == 299);
    CHECK(node.forwarded.back().target == "/v1/check?ask=A%2CB");
}

TEST_CASE("HubProxy: challenges a request without a credential and names the hub", "[relay]") {
    Node node;
    boost::asio::io_context loop;
    Hub config;
    config.urls = {{"https://hub:8443", "hub", 8443}};
    HubClient client(
        loop, config,
        std::make_unique<boost::asio::ssl::context>(boost::asio::ssl::context::tls_client));
    HubProxy proxy(client);
    const auto decision = proxy.forward(node.head("GET", "/v1/secrets", ""));
    const auto* answer = std::get_if<api::HttpResponse>(&decision);
    REQUIRE(answer != nullptr);
    CHECK(answer->status == 401);
    CHECK(answer->challenge == "Munge hub=\"hub\"");
    CHECK(answer->content_type == "application/problem+json");
    CHECK(boost::json::parse(answer->body).at("title").as_string() == "Unauthorized");
}

TEST_CASE("Router: rejects a malformed request before it forwards it", "[relay]") {
    Node node;
    CHECK(node.ask(node.head("GET", "/v1/nothing", "")).status == 404);
    CHECK(node.ask(node.head("POST", "/v1/secrets", "")).status == 405);
    CHECK(node.ask(node.head("POST", "/v1/grants")).status == 404);
    CHECK(node.ask(node.head("POST", "/v1/checks")).status == 404);
    CHECK(node.ask(node.head("GET", "/v1/runs?x=1")).status == 400);
    CHECK(node.ask(node.head("PUT", "/v1/secrets/A")).status == 411);
    CHECK(node.ask(node.head("PUT", "/v1/secrets/A"), std::string(300000, 'x')).status == 413);
    CHECK(node.ask(node.head("DELETE", "/v1/secrets/A"), "{}").status == 400);
    CHECK(node.forwarded.empty());
}

}  // namespace
}  // namespace secrets::node
