// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "agentd/api/node_api.h"

namespace secrets::api {

/// Reads the body of POST /v1/grants:
///     {"job":12,"step":0,"uid":1001,"node":"n1","ask":"TOKEN","wait_ms":0,"patience_ms":4000}
/// It holds no value. The Status says what is wrong in it.
std::string print_grant(const NodeGrantRequest& request);
StatusOr<NodeGrantRequest> parse_grant(std::span<const std::byte> body);

/// Reads the body of PUT /v1/nodes/{name}/holds, which names no run: the ask does.
///     {"holds":[{"job":12,"uid":1001,"ask":"TOKEN","tag":"\"…\""}]}
std::string print_report(const std::vector<vault::CachedGrant>& held);
StatusOr<std::vector<vault::CachedGrant>> parse_report(std::span<const std::byte> body);

/// The answer to it: which of the holds, by their places, are to be wiped.
std::string revoked_json(const std::vector<std::size_t>& places);
/// Those of them that are below `count`; the Error: it is no such answer.
StatusOr<std::vector<std::size_t>> parse_revoked(std::span<const std::byte> body,
                                                 std::size_t count);

}  // namespace secrets::api
