// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parses the body of a push from JSON into a request. Values go from the text straight into buffers
// that wipe themselves; no document tree is built.
//
//     {"owner": "alice", "ttl": "12h",
//      "workspace": {"NAME": "value"}, "user": {"NAME": {"base64": "…"}}}

#include <cstddef>
#include <span>

#include "agentd/service/services.h"
#include "common/base/status.h"

namespace secrets::api {

/// Parses a push. The Status says what is wrong and at which line and column, and shows nothing of
/// the text but names; its code is invalid_argument or too_large. `value_bytes`: the longest
/// accepted value.
StatusOr<service::PushRequest> parse_push(std::span<const std::byte> body, std::size_t value_bytes);

}  // namespace secrets::api
