// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "agentd/api/node_requests.h"

namespace secrets::api {

/// Writes and reads the body of POST /v1/grants:
///     {"job":12,"step":0,"uid":1001,"node":"n1","ask":"TOKEN","wait_ms":0,"patience_ms":4000}
/// The body holds no value. The Status says what is wrong in the body.
std::string print_grant(const NodeGrantRequest& request);
StatusOr<NodeGrantRequest> parse_grant(std::span<const std::byte> body);

/// Writes and reads the body of PUT /v1/nodes/{name}/holds. Only the secret spec names a run.
///     {"holds":[{"job":12,"uid":1001,"ask":"TOKEN","tag":"\"…\""}]}
std::string print_report(const std::vector<vault::CachedGrant>& held);
StatusOr<std::vector<vault::CachedGrant>> parse_report(std::span<const std::byte> body);

/// Writes the response to a report: the positions of the holds that are to be wiped.
std::string revoked_json(const std::vector<std::size_t>& positions);
/// Returns the positions below `count`; the Status: the body is not such a response.
StatusOr<std::vector<std::size_t>> parse_revoked(std::span<const std::byte> body,
                                                 std::size_t count);

}  // namespace secrets::api
