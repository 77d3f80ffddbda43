// SPDX-License-Identifier: Apache-2.0
#include "agentd/hub/node_routes.h"

#include "agentd/api/binding_body.h"
#include "agentd/api/check_body.h"
#include "agentd/api/grant_body.h"
#include "agentd/api/handlers.h"
#include "common/base/limits.h"

namespace secrets::hub {
namespace {

using api::HttpResponse;
using api::problem;
using api::RouteCall;
using Body = std::span<const std::byte>;

// JSON may write a byte of a secret spec as six.
std::uint64_t longest_spec(const Limits&) {
    return 6 * kMaxSpecBytes + 4 * 1024;
}

std::uint64_t longest_report(const Limits&) {
    return api::kMaxReportBytes;
}

std::uint64_t longest_binding(const Limits&) {
    return 4 * 1024;
}

Status of_agents(NodeApiHandler& handler, const RouteCall& call) {
    return handler.check_agent(call.caller, call.origin);
}

Status before_report(NodeApiHandler& handler, const RouteCall& call) {
    if (call.name.empty() || call.name.size() > kMaxNodeNameBytes) {
        return Status(StatusCode::invalid_argument, "the path has no valid node name");
    }
    return of_agents(handler, call);
}

HttpResponse grant(NodeApiHandler& handler, const RouteCall& call, Body body) {
    auto request = api::parse_grant(body);
    if (!request) return problem(400, request.status().message());
    request->has_tag = call.has_tag;
    request->origin = call.origin;
    return handler.grant(std::move(request).value());
}

HttpResponse report(NodeApiHandler& handler, const RouteCall& call, Body body) {
    auto held = api::parse_report(body);
    if (!held) return problem(400, held.status().message());
    return handler.report({call.name, std::move(held).value(), call.origin});
}

HttpResponse bind(NodeApiHandler& handler, const RouteCall& call, Body body) {
    auto request = api::parse_binding(body);
    if (!request) return problem(400, request.status().message());
    request->origin = call.origin;
    return handler.bind(std::move(request).value());
}

HttpResponse check_submission(NodeApiHandler& handler, const RouteCall& call, Body body) {
    auto request = api::parse_check(body);
    if (!request) return problem(400, request.status().message());
    request->origin = call.origin;
    return handler.check(std::move(request).value());
}

}  // namespace

std::vector<api::Route> node_routes(NodeApiHandler& handler) {
    const auto before = [&handler](Status (*check)(NodeApiHandler&, const RouteCall&)) {
        return [&handler, check](const RouteCall& call) { return check(handler, call); };
    };
    const auto by = [&handler](HttpResponse (*handle)(NodeApiHandler&, const RouteCall&, Body)) {
        return [&handler, handle](const RouteCall& call, Body body) {
            return handle(handler, call, body);
        };
    };
    // clang-format off
    return {
        // method, path, query, longest body, about, before, handle, of_agent, reads_tag, is_for_hosts
        {"POST", "/v1/grants",             "", longest_spec,   nullptr, before(of_agents),     by(grant),            false, true,  true},
        {"PUT",  "/v1/nodes/{name}/holds", "", longest_report, nullptr, before(before_report), by(report),           false, false, true},
        {"POST", "/v1/heads",              "", longest_binding, nullptr, before(of_agents),    by(bind),             false, false, true},
        {"POST", "/v1/checks",             "", longest_spec,   nullptr, before(of_agents),     by(check_submission), false, false, true},
    };
    // clang-format on
}

std::vector<api::Route> hub_routes(NodeApiHandler& handler) {
    std::vector<api::Route> routes = api::route_table();
    for (api::Route& route : node_routes(handler)) routes.push_back(std::move(route));
    return routes;
}

}  // namespace secrets::hub
