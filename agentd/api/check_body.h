// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "agentd/api/node_api.h"

namespace secrets::api {

/// Reads the body of POST /v1/checks:
///     {"uid":1001,"ask":"TOKEN","node":"login"}
/// It holds no value. The Status says what is wrong in it.
StatusOr<SubmitCheckRequest> parse_check(std::span<const std::byte> body);
std::string print_check(const SubmitCheckRequest& check);

/// What is answered: {"ok":true}, or {"ok":false,"sentence":"why a job would be refused"}.
std::string verdict_json(const Status& refusal);
/// The sentence; empty where the ask is fine, or the body is no such answer.
std::string sentence_in_verdict(std::span<const std::byte> body);

}  // namespace secrets::api
