// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes the metrics for Prometheus: counts of what happened, what is held now, and how long grant
// requests took. Names and numbers, never a value. Counts begin at the start of the process.

#include <chrono>
#include <string>

#include "agentd/service/services.h"

namespace secrets::metrics {

/// The outcome of a step's grant request.
enum class GrantOutcome { granted, nothing, refused };

/// Counts a grant request. `took`: until the answer; nothing if the request waited for a push.
void count_grant(GrantOutcome outcome, std::optional<std::chrono::duration<double>> took);

/// Returns all metrics in Prometheus' text format.
std::string text(const service::StatusInfo& status, const Limits& limits);

}  // namespace secrets::metrics
