// SPDX-License-Identifier: Apache-2.0
#pragma once
// The events that can be recorded: one table of kinds, and the fields of an event of any kind,
// which are names and numbers. An event cannot hold a value: the types that carry one have no
// conversion to a text.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/ids.h"

namespace secrets::audit {

enum class Level { debug, info, warning, error };
std::string_view level_word(Level level);

enum class Kind {
    start,
    stopping,
    stop,
    push,
    grant,
    complete,
    wipe,
    revoke,
    expire,
    reap,
    set_secret,
    rename_secret,
    remove_secret,
    expire_secret,
    restore,
    damage,
    reload,
    reload_refused,
    refuse_push,
    deny_grant,
    refuse_complete,
    refuse_secret,
    refuse_connection,
    refuse_message,
    undone,
    dropped,
    trail_failed,
    trail_gap,
    mended,
    trouble,
};
inline constexpr std::size_t kKindCount = static_cast<std::size_t>(Kind::trouble) + 1;

/// A line of the table. The journal's catalog (systemd/slurm-secrets.catalog) has advice about an
/// event of that kind under the same id.
struct KindInfo {
    Kind kind;
    std::string_view message_id;  ///< MESSAGE_ID=, 128 bits; never changes
    std::string_view action;      ///< SECRETS_ACTION=; all denials share one
    Level level;
    std::string_view limited;  ///< what a summary counts, as "pushes"; empty: never summed up
};

const KindInfo& info_of(Kind kind);
std::span<const KindInfo> all_kinds();

/// An account: a name, if known without asking the system for it, and a number. A platform that a
/// certificate names has no number.
struct Account {
    std::optional<Uid> uid;
    std::string name;
};

/// An event. A field that does not apply is left empty, and then omitted from the entry.
struct Event {
    Kind kind = Kind::trouble;
    std::string sentence{};  ///< for people, complete without the other fields
    std::optional<JobId> job{};
    std::optional<StepId> step{};
    std::string run{};
    std::string workspace{};
    std::vector<std::string> names{};        ///< of the secrets concerned
    std::optional<Account> owner{};          ///< the owner of the run or job
    std::optional<Account> caller{};         ///< the account that made the request
    std::string reason{};                    ///< of a denial
    std::optional<std::uint64_t> records{};  ///< of a receipt: the number of overwritten records
    std::optional<std::uint64_t> bytes{};    ///< of a receipt: the number of overwritten bytes
    std::optional<std::uint64_t> count{};    ///< of a summary: the number of events in it
};

/// The number of names that a sentence lists before it only counts, so that it is read at a glance,
/// and that the entry of a denial has, so that no request can make an entry long.
inline constexpr std::size_t kMostNamesListed = 10;

/// Returns "A, B, C", and for a long list the number of further names; "no secrets" for none.
std::string listed(const std::vector<std::string>& names);

/// Returns "1 record", "2 records".
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);

}  // namespace secrets::audit
