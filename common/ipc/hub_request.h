// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a munge credential says of the one request that it is for. A client of a hub makes it and
// sends the credential as `Authorization: Munge CREDENTIAL`; the hub compares it with what came.
// It is text, of these lines, each ended by a newline:
//
//     slurm-secrets 1
//     the host in the hub's URL, as the client has it (so that no other hub takes it)
//     the method
//     path and query
//     the body's SHA-256 in to_hex digits

#include <string>
#include <string_view>

#include "common/base/status.h"

namespace secrets {

struct HubRequest {
    std::string host;
    std::string method;
    std::string target;
    std::string body_digest;

    bool operator==(const HubRequest&) const = default;
};

/// No part may hold a newline.
std::string print_hub_request(const HubRequest& request);
StatusOr<HubRequest> parse_hub_request(std::string_view text);

}  // namespace secrets
