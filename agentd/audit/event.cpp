// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/event.h"

#include <algorithm>
#include <array>

namespace secrets::audit {
namespace {

// clang-format off
constexpr auto kKinds = std::to_array<KindInfo>({
    // kind                   MESSAGE_ID                          action      level           limited
    {Kind::start,             "732b1c707d304763ac8f3e17737337f9", "start",    Level::info,    ""},
    {Kind::stopping,          "1b260992459e42e59619e900526b75e3", "stopping", Level::info,    ""},
    {Kind::stop,              "a5a3b3b7c56643788143e8e9fc606ea3", "stop",     Level::info,    ""},
    {Kind::push,              "abcac3fb31074848913e58a74af5fe7d", "push",     Level::info,    ""},
    {Kind::grant,               "7dedb2a0aa1840a286fba8ee55beae00", "ask",      Level::info,    ""},
    {Kind::complete,          "4819dcf710574d66b7bd9ec24d1c88ce", "complete", Level::info,    ""},
    {Kind::wipe,              "8611f32307994b169a95debffbbbcfc6", "wipe",     Level::info,    ""},
    {Kind::revoke,            "11c770b7432d4c568099af15833d54b8", "revoke",   Level::warning, "grants"},
    {Kind::expire,            "1ff2df8f7994445a823f3e1b51cb4c57", "expire",   Level::info,    ""},
    {Kind::reap,              "3fdd69d64e494cb58abb8065f1f92f22", "reap",     Level::warning, ""},
    {Kind::set_secret,        "df3b7ffdd3d54a929f124bb92f90711a", "set",      Level::info,    ""},
    {Kind::rename_secret,     "504e12eefade45a29740881f321c4089", "rename",   Level::info,    ""},
    {Kind::remove_secret,     "d845585630ec42b9a925cb336148fb52", "remove",   Level::info,    ""},
    {Kind::expire_secret,     "653e136c322d49e2a3b6a80a8cd7ad94", "expire",   Level::info,    ""},
    {Kind::restore,           "333470db6b7d480c8fef99ece0a22a68", "restore",  Level::info,    ""},
    {Kind::damage,            "dc0a2844521247e4868db00e6ea6fb34", "damage",   Level::error,   ""},
    {Kind::reload,            "21334de94a4f412abfd58c6f961d2806", "reload",   Level::info,    ""},
    {Kind::reload_refused,    "e3716b6c23d345be9b8e054a0f09ee74", "reload",   Level::error,   ""},
    {Kind::refuse_push,       "846a142797e748b4929135f922f65aff", "refuse",   Level::warning, "pushes"},
    {Kind::deny_grant,        "e366aa178095499d88a3bf3a9d6b5bab", "refuse",   Level::warning, "grant requests"},
    {Kind::refuse_complete,   "bf8b54067d394c9b877e32fa6372e900", "refuse",   Level::warning, "completions"},
    {Kind::refuse_secret,     "bf1bd5d12c504fec8a628605ef8ded57", "refuse",   Level::warning, "changes of secrets"},
    {Kind::refuse_connection, "3b3212dba77e4d3a96d70a8e6e58676f", "refuse",   Level::warning, "connections"},
    {Kind::refuse_message,    "d383081a62624b06ad25665a5d0a4966", "refuse",   Level::warning, "messages"},
    {Kind::undone,            "7a3c83d691654aaea2dcd0e1da9885ff", "undo",     Level::error,   ""},
    {Kind::dropped,           "a5c2bd097579400c9b6db32b432f840e", "drop",     Level::warning, ""},
    {Kind::trail_failed,      "5be22c74c9b942548cc4ebd5afb08fd3", "trail",    Level::error,   ""},
    {Kind::trail_gap,         "77642b1613c24152983f0b97fe55e583", "trail",    Level::warning, ""},
    {Kind::mended,            "c9d5e3b36edc45d0a8c70dd101614cc3", "mended",   Level::info,    ""},
    {Kind::trouble,           "0d412801d4fc4b83af47f810264b40eb", "trouble",  Level::error,   ""},
});
// clang-format on

constexpr bool in_the_order_of_the_kinds() {
    for (std::size_t i = 0; i < kKinds.size(); ++i) {
        if (static_cast<std::size_t>(kKinds[i].kind) != i) return false;
    }
    return kKinds.back().kind == Kind::trouble;
}
static_assert(in_the_order_of_the_kinds());

}  // namespace

std::string_view level_word(Level level) {
    constexpr auto kWords = std::to_array<std::string_view>({"debug", "info", "warning", "error"});
    return kWords[static_cast<std::size_t>(level)];
}

const KindInfo& info_of(Kind kind) {
    return kKinds[static_cast<std::size_t>(kind)];
}

std::span<const KindInfo> all_kinds() {
    return kKinds;
}

std::string listed(const std::vector<std::string>& names) {
    if (names.empty()) return "no secrets";
    std::string text;
    for (std::size_t i = 0; i < std::min(names.size(), kMostNamesListed); ++i) {
        text += (i == 0 ? "" : ", ") + names[i];
    }
    if (names.size() > kMostNamesListed) {
        text += " and " + std::to_string(names.size() - kMostNamesListed) + " more";
    }
    return text;
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
    return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

}  // namespace secrets::audit
