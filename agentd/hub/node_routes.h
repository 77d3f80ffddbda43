// SPDX-License-Identifier: Apache-2.0
#pragma once
// The routes that a hub serves besides those of every agent: requests of nodes and login hosts,
// whose agents are of the same release.

#include <vector>

#include "agentd/api/route.h"
#include "agentd/hub/node_api_handler.h"

namespace secrets::hub {

/// `handler` answers the requests, and must outlive the routes.
std::vector<api::Route> node_routes(NodeApiHandler& handler);

/// Returns all that a hub serves: what every agent does, and node_routes().
std::vector<api::Route> hub_routes(NodeApiHandler& handler);

}  // namespace secrets::hub
