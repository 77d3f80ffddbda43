// SPDX-License-Identifier: Apache-2.0
#pragma once
// Every limit of slurm-secrets that is not a site's to configure, in one place. All lengths are
// bytes.

#include <cstddef>
#include <cstdint>

namespace secrets {

/// A secret's name, and the name of the variable it becomes.
inline constexpr std::size_t kMaxNameBytes = 64;

/// A workspace's name.
inline constexpr std::size_t kMaxWorkspaceBytes = 64;

/// A node's name in slurm.conf.
inline constexpr std::size_t kMaxNodeNameBytes = 64;

/// A platform's run id.
inline constexpr std::size_t kMaxRunIdBytes = 64;

/// A platform's name, which stands in the records of the runs that it pushes.
inline constexpr std::size_t kMaxPlatformBytes = 64;

/// One ask: the text of SLURM_SECRETS, or of all --secret options of one command together.
inline constexpr std::size_t kMaxSpecBytes = 8 * 1024;

/// Items of one ask.
inline constexpr std::size_t kMaxSpecItems = 256;

/// A value. spank_setenv() reports success and sets nothing when name and value together reach
/// 128 KiB (Slurm 22.05 to 26.05), and the kernel refuses a longer string to execve()
/// (MAX_ARG_STRLEN).
inline constexpr std::size_t kMaxValueBytes = 64 * 1024;

/// All that one step is given as variables: names, values, `=` and NUL. execve() shares a quarter
/// of the stack's limit (2 MiB of the usual 8 MiB) between arguments and the whole environment.
inline constexpr std::size_t kMaxVariablesBytes = 512 * 1024;

/// Secrets of one run, both scopes together. Their variables' names travel in SLURM_SECRETS_SET,
/// which at this number and with the longest names stays below the kernel's 128 KiB for one
/// variable.
inline constexpr std::size_t kMaxSecretsPerRun = 1000;

/// All that one step is given as files, on one node. They lie in memory there (/run).
inline constexpr std::size_t kMaxFilesBytes = 2 * 1024 * 1024;

/// A delivery image: the variables and files of one step, the bookkeeping of each, and the names of
/// the files, which only an ask's items can be.
inline constexpr std::size_t kMaxDeliveryBytes = kMaxVariablesBytes + kMaxFilesBytes + 64 +
                                                 kMaxSecretsPerRun * 16 +
                                                 kMaxSpecItems * (kMaxNameBytes + 1);

/// A sentence for a person: a refusal, a note, a receipt. A longer one is cut.
inline constexpr std::size_t kMaxSentenceBytes = 1024;

/// A message on the node door, request or reply.
inline constexpr std::size_t kMaxMessageBytes = kMaxSpecBytes + 256;

/// Jobs that slurm-secrets-view is asked about at once. It asks slurmctld one by one, at some
/// milliseconds each, and answers within seconds.
inline constexpr std::size_t kMaxJobsPerQuery = 64;

/// A Slurm account's name.
inline constexpr std::size_t kMaxAccountBytes = 128;

/// A user's name; Linux has no longer ones (LOGIN_NAME_MAX).
inline constexpr std::size_t kMaxUserBytes = 255;

/// Users that slurm-secrets-view names in one reply; the rest of an account's is asked for again.
inline constexpr std::size_t kMaxUsersPerReply = 200;

/// Users of one Slurm account that are taken.
inline constexpr std::size_t kMaxUsersOfAccount = 100000;

/// A node's address as text; the longest is one of IPv6.
inline constexpr std::size_t kMaxAddressBytes = 45;

/// Places that slurm-secrets-view is asked about at once. Those of one job cost one call to
/// slurmctld.
inline constexpr std::size_t kMaxPlacementsPerQuery = 64;

/// A message on the socket of slurm-secrets-view, request or reply. The longest is a reply of
/// users.
inline constexpr std::size_t kMaxQueryMessageBytes =
    kMaxUsersPerReply * (sizeof(std::uint32_t) + kMaxUserBytes) + kMaxSentenceBytes + 64;

/// How long a plugin may make the agent keep an ask waiting for its run, in milliseconds.
inline constexpr std::uint32_t kMaxWaitMilliseconds = 10 * 60 * 1000;

}  // namespace secrets
