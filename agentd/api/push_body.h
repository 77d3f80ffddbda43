#pragma once
// The body of a push: JSON in, a request out. Values go from the text straight into buffers that
// wipe themselves; no document tree is built.
//
//     {"owner": "alice", "ttl": "12h",
//      "workspace": {"NAME": "value"}, "user": {"NAME": {"base64": "…"}}}

#include <cstddef>
#include <span>

#include "agentd/service/desk.h"
#include "common/base/result.h"

namespace secrets::api {

/// The Error says what is wrong and where (line and column), and shows nothing of the text but
/// names; `reason` then becomes its kind: malformed or too_large. `value_bytes`: the longest value
/// that is taken.
Result<service::PushRequest> parse_push(std::span<const std::byte> body, std::size_t value_bytes,
                                        service::Reason* reason = nullptr);

}  // namespace secrets::api
