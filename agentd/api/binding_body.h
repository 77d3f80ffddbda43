// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "agentd/api/node_requests.h"

namespace secrets::api {

/// Writes and reads the body of POST /v1/heads:
///     {"run":"demo-1","job":12,"uid":1001,"node":"n1"}
/// The Status says what is wrong in the body.
std::string print_binding(const NodeBindingRequest& request);
StatusOr<NodeBindingRequest> parse_binding(std::span<const std::byte> body);

}  // namespace secrets::api
