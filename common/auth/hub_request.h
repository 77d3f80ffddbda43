// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names the one request for which a MUNGE credential is valid. A client of a hub creates the
// payload and sends its credential as `Authorization: Munge CREDENTIAL`; the hub compares the
// payload with the request that it received. The payload is text of these lines, each ended by a
// newline:
//
//     slurm-secrets 1
//     the host in the client's URL of the hub (so that no other hub accepts the credential)
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

/// Writes the payload. No part may hold a newline.
std::string print_hub_request(const HubRequest& request);
StatusOr<HubRequest> parse_hub_request(std::string_view text);

}  // namespace secrets
