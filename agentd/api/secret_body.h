#pragma once
// The bodies of requests about kept secrets.
//
//     PUT    {"value": "text", "ttl": "30d"}      or {"value": {"base64": "…"}}
//     PATCH  {"name": "NEW_NAME"}

#include <cstddef>
#include <span>
#include <string>

#include "agentd/service/desk.h"
#include "common/base/result.h"

namespace secrets::api {

/// The Errors say what is wrong and where, and show nothing of a value; `reason` then becomes its
/// kind: malformed or too_large.
Result<service::PutSecretRequest> parse_put_secret(std::span<const std::byte> body,
                                                   std::size_t value_bytes,
                                                   service::Reason& reason);

/// The new name.
Result<std::string> parse_rename(std::span<const std::byte> body);

}  // namespace secrets::api
