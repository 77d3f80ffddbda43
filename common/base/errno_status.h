// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/base/status.h"

namespace secrets {

/// Returns a Status that describes from errno the call `what` that has just failed: the call, the
/// cause, and which limit to raise if the cause was one.
Status errno_status(const std::string& what, StatusCode code = StatusCode::failed);

}  // namespace secrets
