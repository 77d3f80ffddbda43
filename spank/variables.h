// SPDX-License-Identifier: Apache-2.0
#pragma once
// The environment variables that the plugin reads and writes.

namespace secrets::spank {

/// The request: a secret spec (common/base/secret_spec.h). Set on the submit side from the options;
/// SLURM_* variables survive every --export of sbatch and srun (measured, Slurm 22.05 to 26.05).
inline constexpr char kSpecVariable[] = "SLURM_SECRETS";

/// In a task: the variables that were set from secrets, separated by commas. The submit side
/// removes these variables from the environment before an inner sbatch captures it.
inline constexpr char kSetVariable[] = "SLURM_SECRETS_SET";

/// The prefixes of the variables in which Slurm passes an outer command's options to inner
/// commands, built from the plugin's name and followed by the option's (`-` written `_`): in a job,
/// and in the shell of salloc.
inline constexpr char kInheritedInJob[] = "SLURM_SPANK__SLURM_SPANK_OPTION_secrets_";
inline constexpr char kInheritedInShell[] = "_SLURM_SPANK_OPTION_secrets_";

/// The options as those variables spell them.
inline constexpr const char* kOptionNames[] = {"secret", "secrets_run", "workspace", "secrets"};

}  // namespace secrets::spank
