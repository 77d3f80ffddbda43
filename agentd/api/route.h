// SPDX-License-Identifier: Apache-2.0
#pragma once
// A route of the HTTP API: method, path, and the call that answers.

#include <functional>
#include <map>
#include <span>
#include <string>

#include "agentd/api/http_message.h"
#include "agentd/service/document_keys.h"
#include "agentd/service/services.h"

namespace secrets::api {

/// Holds one request on its way through a route.
struct RouteCall {
    service::Services& services;
    auth::Principal caller;
    Origin origin;
    std::optional<RunId> run;
    service::SecretScope scope;
    std::string name;  ///< of a stored secret or a node, as received
    service::Precondition precondition;
    std::string has_tag;  ///< If-None-Match, in a route with `reads_tag`
    std::map<std::string, std::string, std::less<>> query;
};

using About = service::DocumentKeys (*)(const RouteCall&);
using Before = std::function<Status(const RouteCall&)>;
using Handle = std::function<HttpResponse(const RouteCall&, std::span<const std::byte>)>;
using Longest = std::uint64_t (*)(const Limits&);

struct Route {
    std::string_view method;
    std::string_view path;   ///< `{run}`, `{workspace}` and `{name}` match one part each
    std::string_view query;  ///< the query parameters that the route accepts, with spaces between
    Longest longest_body;    ///< null: the route accepts no body
    About about;             ///< needed shared documents; null: none, or the handler refreshes them
    Before before_body;      ///< may deny before the body is read; or null
    Handle handle;
    /// Whether the route is about this agent itself: never passed on to a hub.
    bool of_agent = false;
    /// Whether If-None-Match is the tag of what the client has, and no precondition.
    bool reads_tag = false;
    /// Whether callers speak for their hosts: each host, and not each account, has a share of the
    /// memory for bodies.
    bool is_for_hosts = false;
};

}  // namespace secrets::api
