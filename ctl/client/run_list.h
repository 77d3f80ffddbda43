// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/object.hpp>

#include "ctl/client/session.h"

namespace secrets::ctl {

/// Returns all runs that the caller may see, as one object with the list `runs`: reads the agent's
/// list page by page. Prints nothing. Throws CommandError unless each answer is a success.
boost::json::object read_all_runs(const Session& agent);

}  // namespace secrets::ctl
