// SPDX-License-Identifier: Apache-2.0
#pragma once
// The content of the records of runs, holds and hub grants, and their form in a slab. Numbers are
// in the machine's own byte order, without padding; a text is a length (u16) and its bytes.
//
//     run   owner u32, generation u64, created i64, expires i64 (seconds since 1970),
//           run id text, platform text (empty: none), count u32,
//           then `count` times: scope u8 (1 user, 2 workspace), name text, value length u32, value
//           (the job with which a run ends is in the record's header: agentd/vault/slab.h)
//     hold  job u32, owner u32, since i64, count u32,
//           then `count` times: spec text, run id text (empty: none), generation u64
//     hub   job u32, owner u32, spec text, run id text (empty: none), tag text,
//     grant then the length of its delivery image u32, and the image
//
// A hold lists the grants of a job by name; it holds no value. A hub grant exists on a node of a
// hub, which stores no runs: it is the hub's answer to one secret spec of a job.

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/ids.h"
#include "common/secure_memory/wipe.h"

namespace secrets::vault {

using Time = std::chrono::sys_seconds;

/// The origin of a run's secret; if both have a name, the user's secret is used.
enum class Scope : std::uint8_t { user = 1, workspace = 2 };
const char* scope_word(Scope scope);

/// A secret to be written to the vault.
struct NewSecret {
    Scope scope = Scope::user;
    std::string name;
    SecretBuffer value;
};

/// A secret in the vault: views into a record, valid until the vault changes.
struct RunSecret {
    Scope scope = Scope::user;
    std::string_view name;
    SecretView value;
};

/// A run without its secrets.
struct RunHead {
    RunId id;
    Uid owner;
    std::uint64_t generation = 1;
    Time created;            ///< on the wall clock; all hubs have the same
    Time expires;            ///< on the agent's clock
    std::string platform{};  ///< the platform that pushed the run last; empty: the owner or root
                             ///   did
    JobId until_job{};       ///< the job with which the run ends; 0: with none
};

/// A grant of a job: its secret spec, and the run and generation that answered it.
struct Grant {
    std::string ask;
    std::string run;  ///< empty: no run was involved
    std::uint64_t generation = 0;
};

/// A job's claim on this node, from its first grant to its epilog.
struct Hold {
    JobId job;
    Uid owner;
    Time since;
    std::vector<Grant> grants;
};

/// The most grants of a hub that a node caches, and the most bytes of their secret specs together:
/// eight for each of 512 jobs. Further grants are delivered without being cached, so that a
/// repeated request needs the hub. A node reports all that it caches, so these bound its report,
/// too.
inline constexpr std::size_t kMaxCachedGrants = 4096;
inline constexpr std::size_t kMaxCachedSpecBytes = 1024 * 1024;

/// A hub grant without its values. A job has one for each secret spec.
struct CachedGrant {
    JobId job;
    Uid owner;
    std::string ask;
    std::string run;  ///< empty: no run was involved
    std::string tag;  ///< the hub's entity tag, for revalidation
};

std::size_t run_payload_size(const RunHead& head, std::span<const NewSecret> secrets);
void write_run(const RunHead& head, std::span<const NewSecret> secrets, std::span<std::byte> out);

/// Fail on a payload that does not have the form above (a record of a damaged slab).
StatusOr<RunHead> read_run_head(std::span<const std::byte> payload);
StatusOr<std::vector<RunSecret>> read_run_secrets(std::span<const std::byte> payload);

std::size_t hold_payload_size(const Hold& hold);
void write_hold(const Hold& hold, std::span<std::byte> out);
StatusOr<Hold> read_hold(std::span<const std::byte> payload);

std::size_t cached_grant_payload_size(const CachedGrant& grant, SecretView image);
void write_cached_grant(const CachedGrant& grant, SecretView image, std::span<std::byte> out);
StatusOr<CachedGrant> read_cached_grant(std::span<const std::byte> payload);
/// Returns the image in the payload of a hub grant that read_cached_grant() accepted.
SecretView image_in(std::span<const std::byte> payload);

}  // namespace secrets::vault
