// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/base/status.h"

namespace secrets {

/// The sentence about a call that has just failed, from errno: what failed, why, and which limit to
/// raise where it was one.
Status errno_status(const std::string& what);

}  // namespace secrets
