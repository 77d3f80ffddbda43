// SPDX-License-Identifier: Apache-2.0
#pragma once
// The requests of the page's code that need the agent, or read a text: one table.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/secure_memory/wipe.h"
#include "ctl/client/client.h"
#include "ctl/web/answers.h"

namespace secrets::ctl::web {

/// The path below which the page's code asks.
inline constexpr std::string_view kApiPath = "/api";

struct ApiRequest {
    std::string method;
    std::string target;  ///< path without kApiPath, and query; percent-encoded
    bool if_new = false;
    std::string if_match{};
};

/// A request and its parts, for a handler.
struct ApiCall {
    const Client& agent;
    const ApiRequest& request;
    std::vector<std::string_view> parts;  ///< the parts of the path that stand for `{}`
    SecretView body;
};

struct ApiRoute {
    std::string_view method;
    std::string_view path;     ///< `{}` matches one part
    std::string_view query;    ///< the accepted parameters, with spaces between
    std::size_t longest_body;  ///< in bytes; 0: none is accepted
    /// Waits for the agent, for at most as long as the client does. Throws CommandError.
    SiteAnswer (*handle)(const ApiCall& call);
    bool is_polled = false;  ///< whether the page asks by itself, even if nobody uses it
};

/// Returns the route of a request; null if there is none.
const ApiRoute* find_route(const ApiRequest& request);

/// Answers a request that has a route. Never throws because of the agent or of the body.
SiteAnswer answer(const ApiRoute& route, const Client& agent, const ApiRequest& request,
                  SecretView body);

/// Returns a target without its query.
std::string_view path_of(std::string_view target);

/// Returns a parameter of a query, decoded; nothing if it is absent or malformed.
std::optional<std::string> parameter(std::string_view target, std::string_view name);

}  // namespace secrets::ctl::web
