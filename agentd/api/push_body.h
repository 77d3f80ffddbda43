// SPDX-License-Identifier: Apache-2.0
#pragma once
// The body of a push: JSON in, a request out. Values go from the text straight into buffers that
// wipe themselves; no document tree is built.
//
//     {"owner": "alice", "ttl": "12h",
//      "workspace": {"NAME": "value"}, "user": {"NAME": {"base64": "…"}}}

#include <cstddef>
#include <span>

#include "agentd/service/services.h"
#include "common/base/status.h"

namespace secrets::api {

/// The Status says what is wrong and where (line and column), and shows nothing of the text but
/// names; its code is invalid_argument or too_large. `value_bytes`: the longest value that is
/// accepted.
StatusOr<service::PushRequest> parse_push(std::span<const std::byte> body, std::size_t value_bytes);

}  // namespace secrets::api
