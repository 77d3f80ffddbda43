// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one table of the variables that control a job itself: a secret must not decide which code
// runs in a job, or what Slurm does with it. Agent, plugin and secretctl use it.

#include <optional>
#include <string_view>

namespace secrets {

/// Returns what `variable` controls, fit for "it controls X"; nothing if it controls nothing. By
/// what a variable does, not by how its name begins: PERLMUTTER_TOKEN and SLURM_JWT, the token that
/// Slurm's commands show, control nothing. A variable that a container runtime would set in its
/// container, as APPTAINERENV_LD_PRELOAD, controls what it controls there.
std::optional<std::string_view> controlled_by(std::string_view variable);

}  // namespace secrets
