// SPDX-License-Identifier: Apache-2.0
#pragma once
// The environment variables that the plugin reads and writes.

namespace secrets::spank {

/// The request: an ask (common/base/secret_spec.h). Set on the submit side from the options;
/// SLURM_* variables survive every --export of sbatch and srun (measured, Slurm 22.05 to 26.05).
inline constexpr char kSpecVariable[] = "SLURM_SECRETS";

/// In a task: which variables were set from secrets, separated by commas. The submit side takes
/// those out of the environment before an inner sbatch captures it.
inline constexpr char kSetVariable[] = "SLURM_SECRETS_SET";

/// How Slurm hands an outer command's options down to inner commands, by the names of plugin and
/// option
/// (`-` written `_`): in a job, and in the shell of salloc.
inline constexpr char kInheritedInJob[] = "SLURM_SPANK__SLURM_SPANK_OPTION_secrets_";
inline constexpr char kInheritedInShell[] = "_SLURM_SPANK_OPTION_secrets_";

/// The options as they stand in those names.
inline constexpr const char* kOptionNames[] = {"secret", "secrets_run", "workspace", "secrets"};

}  // namespace secrets::spank
