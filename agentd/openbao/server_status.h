// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests the status of a server of OpenBao, and puts it into words.

#include <chrono>
#include <string>

#include "agentd/net/https_connection.h"

namespace secrets::openbao {

/// Bounds the wait for a server's status.
inline constexpr auto kHealth = std::chrono::milliseconds(700);

inline net::HttpsRequest get_request(const char* target) {
    net::HttpsRequest request;
    request.method = "GET";
    request.target = target;
    return request;
}

/// Returns words for the status of GET /v1/sys/health other than 200.
inline std::string describe_health(unsigned status) {
    switch (status) {
        case 429:
            return "it is a standby server";
        case 501:
            return "it is not initialised";
        case 503:
            return "it is sealed";
        default:
            return "it answers with status " + std::to_string(status);
    }
}

}  // namespace secrets::openbao
