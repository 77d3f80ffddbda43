// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parses the bodies of requests about stored secrets.
//
//     PUT    {"value": "text", "ttl": "30d"}      or {"value": {"base64": "…"}}
//     PATCH  {"name": "NEW_NAME"}

#include <cstddef>
#include <span>
#include <string>

#include "agentd/service/services.h"
#include "common/base/status.h"

namespace secrets::api {

/// Parses a PUT. The Status says what is wrong and at which position, and shows nothing of a value;
/// its code is invalid_argument or too_large.
StatusOr<service::PutSecretRequest> parse_put_secret(std::span<const std::byte> body,
                                                     std::size_t value_bytes);

/// Returns the new name.
StatusOr<std::string> parse_rename(std::span<const std::byte> body);

}  // namespace secrets::api
