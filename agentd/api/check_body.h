// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "agentd/api/node_requests.h"

namespace secrets::api {

/// Reads the body of POST /v1/checks:
///     {"uid":1001,"ask":"TOKEN","node":"login"}
/// The body holds no value. The Status says what is wrong in the body.
StatusOr<SubmitCheckRequest> parse_check(std::span<const std::byte> body);
std::string print_check(const SubmitCheckRequest& check);

/// Writes the response: {"ok":true}, or {"ok":false,"sentence":"why a job would be denied"}.
std::string verdict_json(const Status& refusal);
/// Returns the sentence; empty if the secret spec is fine, or the body is not such a response.
std::string sentence_in_verdict(std::span<const std::byte> body);

}  // namespace secrets::api
