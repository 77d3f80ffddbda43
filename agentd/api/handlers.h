// SPDX-License-Identifier: Apache-2.0
#pragma once
// The table of what may be asked of the control door: method and path, and what each means to the
// services.

#include <map>
#include <span>
#include <string>

#include "agentd/api/node_api.h"

namespace secrets::api {

/// One request on its way through a route.
struct RouteCall {
    service::Services& services;
    NodeApi* nodes;  ///< not null in a route of nodes
    auth::Principal caller;
    Origin origin;
    std::optional<RunId> run;
    service::SecretScope place;
    std::string name;  ///< of a kept secret, as it came
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
    std::string_view path;   ///< `{run}`, `{workspace}` and `{name}` stand for one part each
    std::string_view query;  ///< the one query parameter that it takes; empty for none
    Longest longest_body;    ///< null: it takes none
    About about;             ///< what of the shared store it is about; null: nothing, or the
                             ///< handler sees to it
    Before before_body;      ///< may refuse before the body is read; or null
    Handle handle;
    /// Between agents of one release, and there only where nodes may ask. If-None-Match is the tag
    /// of what the node has.
    bool of_nodes = false;
    /// About the agent that is asked itself: never passed on to a hub.
    bool of_agent = false;
};
/// All routes; those of one path stand together.
std::span<const Route> route_table();

/// The answer that a refusal becomes.
HttpResponse refused(const Status& refusal);

}  // namespace secrets::api
