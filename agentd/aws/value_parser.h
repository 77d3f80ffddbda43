// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parses the JSON of a request, and keeps the value that it may have out of the JSON values.

#include <boost/json/object.hpp>
#include <optional>
#include <span>

#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets::aws {

struct ParsedRequest {
    boost::json::object fields;  ///< SecretString and SecretBinary are null in them
    std::optional<SecretBuffer> string{};
    std::optional<SecretBuffer> binary{};  ///< decoded
    Status wrong_value{};  ///< what is invalid in a value: its length, or its base64
};

/// Parses a whole body; an empty one has no fields. `value_bytes`: the longest value, of either
/// form. The Status says what is malformed in the JSON, and at which line and column.
StatusOr<ParsedRequest> parse_with_value(std::span<const std::byte> body, std::size_t value_bytes);

}  // namespace secrets::aws
