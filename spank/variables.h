// SPDX-License-Identifier: Apache-2.0
#pragma once
// The environment variables that the plugin reads and writes.

namespace secrets::spank {

/// The request: a secret spec (common/base/secret_spec.h). Set on the submit side from the options;
/// SLURM_* variables survive every --export of sbatch and srun (measured, Slurm 22.05 to 26.05).
inline constexpr char kSpecVariable[] = "SLURM_SECRETS";

/// The requests of the components of a heterogeneous job: followed by the component's number.
inline constexpr char kGroupPrefix[] = "SLURM_SECRETS_HET_GROUP_";

/// In a task: the variables that were set from secrets, separated by commas, for people.
inline constexpr char kSetVariable[] = "SLURM_SECRETS_SET";

/// From an inner command to its step: what the job around it was given (spank/outer_marks.h).
inline constexpr char kOuterVariable[] = "SLURM_SECRETS_OUTER";

/// Set where Slurm runs the command in an OCI container: the container's bundle.
inline constexpr char kContainerVariable[] = "SLURM_CONTAINER";

/// The prefixes of the variables in which Slurm passes an outer command's options to inner
/// commands, built from the plugin's name and followed by the option's (`-` written `_`): in a job,
/// and in the shell of salloc.
inline constexpr char kInheritedInJob[] = "SLURM_SPANK__SLURM_SPANK_OPTION_secrets_";
inline constexpr char kInheritedInShell[] = "_SLURM_SPANK_OPTION_secrets_";

/// The options as those variables spell them.
inline constexpr const char* kOptionNames[] = {"secret", "secrets_run", "workspace", "secrets"};

}  // namespace secrets::spank
