// SPDX-License-Identifier: Apache-2.0
#pragma once
// What Prometheus is told: counts of what happened, what is held now, and how long asks took. Names
// and numbers, never a value. The counts are of the process, from its start.

#include <chrono>
#include <string>

#include "agentd/service/services.h"

namespace secrets::metrics {

/// How an ask of a step ended.
enum class GrantOutcome { granted, nothing, refused };

/// Counts an ask. `took`: until the answer; nothing for one that waited for its run's push.
void count_grant(GrantOutcome outcome, std::optional<std::chrono::duration<double>> took);

/// All of it, in Prometheus' text format.
std::string text(const service::StatusInfo& status, const Limits& limits);

}  // namespace secrets::metrics
