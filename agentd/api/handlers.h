// SPDX-License-Identifier: Apache-2.0
#pragma once
// The table of the control socket's routes: method, path, and the service call of each route.

#include <map>
#include <span>
#include <string>

#include "agentd/api/node_api.h"

namespace secrets::api {

/// Holds one request on its way through a route.
struct RouteCall {
    service::Services& services;
    NodeApi* nodes;  ///< not null in a route of nodes
    auth::Principal caller;
    Origin origin;
    std::optional<RunId> run;
    service::SecretScope scope;
    std::string name;  ///< of a stored secret, as received
    service::Precondition precondition;
    std::string has_tag;  ///< If-None-Match, in a route of nodes
    std::map<std::string, std::string, std::less<>> query;
};

using About = service::DocumentKeys (*)(const RouteCall&);
using Before = Status (*)(const RouteCall&);
using Handle = HttpResponse (*)(const RouteCall&, std::span<const std::byte>);
using Longest = std::uint64_t (*)(const Limits&);

struct Route {
    std::string_view method;
    std::string_view path;   ///< `{run}`, `{workspace}` and `{name}` match one part each
    std::string_view query;  ///< the one query parameter that the route accepts; empty for none
    Longest longest_body;    ///< null: the route accepts no body
    About about;             ///< needed shared documents; null: none, or the handler refreshes them
    Before before_body;      ///< may deny before the body is read; or null
    Handle handle;
    /// Whether the route is one between agents of one release, which exists only if nodes may ask.
    /// If-None-Match is the tag of what the node has.
    bool of_nodes = false;
    /// Whether the route is about this agent itself: never passed on to a hub.
    bool of_agent = false;
};
/// Returns all routes; those of one path are adjacent.
std::span<const Route> route_table();

/// Returns the response for a denial.
HttpResponse refused(const Status& refusal);

}  // namespace secrets::api
