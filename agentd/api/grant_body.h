// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "agentd/api/node_requests.h"

namespace secrets::api {

/// The longest time for a response that a hub accepts, of this version and of earlier ones.
inline constexpr std::chrono::milliseconds kMaxPatience = std::chrono::minutes(1);

/// The longest report that a hub reads, and the most grants in it: more than a node caches, as a
/// node of an earlier version may cache more.
inline constexpr std::size_t kMaxReportBytes = 8 * 1024 * 1024;
inline constexpr std::size_t kMaxReportedGrants = 32768;

/// Writes and reads the body of POST /v1/grants:
///     {"job":12,"step":0,"uid":1001,"node":"n1","ask":"TOKEN","wait_ms":0,"patience_ms":4000}
/// The body holds no value. The Status says what is wrong in the body.
std::string print_grant(const NodeGrantRequest& request);
StatusOr<NodeGrantRequest> parse_grant(std::span<const std::byte> body);

/// The `type` of the problem that denies a grant for a reason of the grant itself, as that its run
/// was completed. Only such a denial takes back what was granted before: another one may come from
/// a proxy, or be about the host, the body or an agent of another version.
inline constexpr std::string_view kGrantDenied = "urn:slurm-secrets:grant-denied";

/// Returns whether a response with this status and body has that type.
bool is_grant_denied(unsigned status, std::span<const std::byte> body);

/// Writes and reads the body of PUT /v1/nodes/{name}/holds. Only the secret spec names a run.
///     {"holds":[{"job":12,"uid":1001,"ask":"TOKEN","tag":"\"…\""}]}
std::string print_report(std::span<const vault::CachedGrant> held);
/// Splits what a node holds into parts whose reports a hub reads; one part if there is nothing.
std::vector<std::span<const vault::CachedGrant>> report_parts(
    std::span<const vault::CachedGrant> held);
StatusOr<std::vector<vault::CachedGrant>> parse_report(std::span<const std::byte> body);

/// Writes the response to a report: the positions of the holds that are to be wiped.
std::string revoked_json(const std::vector<std::size_t>& positions);
/// Returns the positions below `count`; the Status: the body is not such a response.
StatusOr<std::vector<std::size_t>> parse_revoked(std::span<const std::byte> body,
                                                 std::size_t count);

}  // namespace secrets::api
