// SPDX-License-Identifier: Apache-2.0
#pragma once
// What can be written down. One table of kinds, and what an event of any kind may say: names and
// numbers. A value can't get in here: the types that carry one have no conversion to a text.

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

/// A line of the table. What to do about an event of that kind is in the journal's catalog
/// (systemd/slurm-secrets.catalog), under the same id.
struct KindInfo {
    Kind kind;
    std::string_view message_id;  ///< MESSAGE_ID=, 128 bits; never changes
    std::string_view action;      ///< SECRETS_ACTION=; all refusals share one
    Level level;
    std::string_view refused;  ///< of refusals: what is refused, as "pushes"; else empty
};

const KindInfo& info_of(Kind kind);
std::span<const KindInfo> all_kinds();

/// An account: a name, where it is known without asking the system for it, and a number. A platform
/// that a certificate names has no number.
struct Account {
    std::optional<Uid> uid;
    std::string name;
};

/// What happened. What does not apply to it is left empty, and then left out.
struct Event {
    Kind kind = Kind::trouble;
    std::string sentence{};  ///< for a person, complete without the rest
    std::optional<JobId> job{};
    std::optional<StepId> step{};
    std::string run{};
    std::string workspace{};
    std::vector<std::string> names{};        ///< of the secrets that it is about
    std::optional<Account> owner{};          ///< the user whose run or job it is
    std::optional<Account> caller{};         ///< who made the request
    std::string reason{};                    ///< of a refusal
    std::optional<std::uint64_t> records{};  ///< of a receipt: how many were overwritten
    std::optional<std::uint64_t> bytes{};    ///< and their bytes
    std::optional<std::uint64_t> count{};    ///< of a summary: how many events it stands for
};

/// "A, B, C", and of a long list how many more there are; "no secrets" for none.
std::string listed(const std::vector<std::string>& names);

/// "1 record", "2 records".
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);

}  // namespace secrets::audit
