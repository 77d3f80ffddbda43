// SPDX-License-Identifier: Apache-2.0
#pragma once
// The table of the control socket's routes, each with its service call.

#include "agentd/api/route.h"

namespace secrets::api {

/// Returns the routes that every agent serves; those of one path are adjacent.
std::vector<Route> route_table();

/// Returns the response for a denial.
HttpResponse refused(const Status& refusal, std::string_view type = kPlainProblem);

}  // namespace secrets::api
