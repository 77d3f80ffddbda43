// SPDX-License-Identifier: Apache-2.0
#pragma once
// All limits of slurm-secrets that a site cannot configure. All lengths are in bytes.

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

/// A platform's name, which the records of the runs that it pushes contain.
inline constexpr std::size_t kMaxPlatformBytes = 64;

/// One secret spec: the text of SLURM_SECRETS, or of all --secret options of one command together.
inline constexpr std::size_t kMaxSpecBytes = 8 * 1024;

/// Items of one secret spec.
inline constexpr std::size_t kMaxSpecItems = 256;

/// The random bytes of a value that is made for a job, and their number unless the item says it: as
/// many as a key of 256 bits has.
inline constexpr std::size_t kMinRandomBytes = 16;
inline constexpr std::size_t kUsualRandomBytes = 32;
inline constexpr std::size_t kMaxRandomBytes = 1024;

/// A value. spank_setenv() reports success and sets nothing when name and value together reach 128
/// KiB (Slurm 22.05 to 26.05), and the kernel rejects a longer string in execve() (MAX_ARG_STRLEN).
inline constexpr std::size_t kMaxValueBytes = 64 * 1024;

/// All variables that one step is given: names, values, `=` and NUL. execve() allows a quarter of
/// the stack's limit (2 MiB of the usual 8 MiB) for arguments and the whole environment together.
inline constexpr std::size_t kMaxVariablesBytes = 512 * 1024;

/// Secrets of one run, both scopes together. Their variables' names travel in SLURM_SECRETS_SET,
/// which at this number and with the longest names stays below the kernel's 128 KiB for one
/// variable.
inline constexpr std::size_t kMaxSecretsPerRun = 1000;

/// All files that one step is given on one node. Files are stored in memory (/run).
inline constexpr std::size_t kMaxFilesBytes = 2 * 1024 * 1024;

/// A delivery image: the variables and files of one step, the headers of their entries, and the
/// names of the files, which only items of a secret spec can be.
inline constexpr std::size_t kMaxDeliveryBytes = kMaxVariablesBytes + kMaxFilesBytes + 64 +
                                                 kMaxSecretsPerRun * 16 +
                                                 kMaxSpecItems * (kMaxNameBytes + 1);

/// A message for a person: a denial, a note, a receipt. A longer one is cut.
inline constexpr std::size_t kMaxSentenceBytes = 1024;

/// A message on the node socket, request or reply.
inline constexpr std::size_t kMaxMessageBytes = kMaxSpecBytes + 256;

/// A marker (common/ipc/marker.h), which is the value of one variable: below the kernel's 128 KiB.
inline constexpr std::size_t kMaxMarkerBytes = 120 * 1024;

/// Jobs in one query to slurm-secrets-view. The program queries slurmctld for one job at a time, at
/// some milliseconds each, and answers within seconds.
inline constexpr std::size_t kMaxJobsPerQuery = 64;

/// A Slurm account's name.
inline constexpr std::size_t kMaxAccountBytes = 128;

/// A user's name; Linux has no longer names (LOGIN_NAME_MAX).
inline constexpr std::size_t kMaxUserBytes = 255;

/// Users that slurm-secrets-view names in one reply; further users of an account need a further
/// query.
inline constexpr std::size_t kMaxUsersPerReply = 200;

/// Users that are accepted of one Slurm account.
inline constexpr std::size_t kMaxUsersOfAccount = 100000;

/// A node's address as text; the longest is an IPv6 address.
inline constexpr std::size_t kMaxAddressBytes = 45;

/// Placements in one query to slurm-secrets-view. Placements of one job cost one call to slurmctld.
inline constexpr std::size_t kMaxPlacementsPerQuery = 64;

/// A message on the socket of slurm-secrets-view, request or reply. The longest is a reply of
/// users.
inline constexpr std::size_t kMaxQueryMessageBytes =
    kMaxUsersPerReply * (sizeof(std::uint32_t) + kMaxUserBytes) + kMaxSentenceBytes + 64;

/// The longest time in milliseconds that a plugin may let a grant request wait for its run.
inline constexpr std::uint32_t kMaxWaitMilliseconds = 10 * 60 * 1000;

}  // namespace secrets
