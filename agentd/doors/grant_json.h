#pragma once

#include <span>

#include "agentd/doors/node_requests.h"

namespace secrets::doors {

/// Reads the body of POST /v1/grants:
///     {"job":12,"step":0,"uid":1001,"node":"n1","ask":"TOKEN","wait_ms":0,"patience_ms":4000}
/// It holds no value. The Error says what is wrong in it.
Result<GrantRequest> parse_grant(std::span<const std::byte> body);

}  // namespace secrets::doors
