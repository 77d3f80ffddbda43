// SPDX-License-Identifier: Apache-2.0
#pragma once
// The components of a heterogeneous job, each of which has a secret spec of its own. Slurm runs a
// component's steps with the environment of the whole command, so the specs travel side by side:
// SLURM_SECRETS_HET_GROUP_n for each component n that differs from SLURM_SECRETS.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spank/options.h"

namespace secrets::spank {

/// Slurm allows no more components.
inline constexpr unsigned kMaxHetGroups = 128;

/// Returns the variable that holds the spec of a component.
std::string group_variable(unsigned group);

/// Returns the components of the job on which srun runs a component of its own: those that
/// --het-group names, or else the one of the same number.
std::vector<unsigned> groups_of(std::span<const std::string_view> options, unsigned component);

/// Returns the plugin's options among the arguments of a component that Slurm has not parsed yet.
Options options_in(std::span<const std::string_view> arguments);

}  // namespace secrets::spank
