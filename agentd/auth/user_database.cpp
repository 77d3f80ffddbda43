// SPDX-License-Identifier: Apache-2.0
#include "agentd/auth/user_database.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "common/base/errno_status.h"

namespace secrets::auth {
namespace {

std::optional<uid_t> as_number(const std::string& text) {
    uid_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
    return number;
}

/// Returns the result of a lookup, or null if there is no entry. Lookups without an entry leave one
/// of many values in errno (getpwnam(3)); the values below mean that the lookup was not possible.
template <typename Lookup>
auto looked_up(const char* what, Lookup lookup) {
    errno = 0;
    const auto* entry = lookup();
    if (entry == nullptr && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
        throw UserDatabaseUnavailable(errno_status(what).message());
    }
    return entry;
}

// The agent has one thread: the functions without _r are safe and have no buffer to guess.

const passwd* user_of(const std::string& name) {
    return looked_up("looking up a user", [&] { return getpwnam(name.c_str()); });
}
const passwd* user_of(uid_t uid) {
    return looked_up("looking up a user", [&] { return getpwuid(uid); });
}

}  // namespace

std::optional<Uid> find_uid(const std::string& text) {
    if (text.find('\0') != std::string::npos) return std::nullopt;
    if (const passwd* entry = user_of(text)) return Uid{entry->pw_uid};
    const auto number = as_number(text);
    if (number && user_of(*number) != nullptr) return Uid{*number};
    return std::nullopt;
}

std::optional<std::string> find_user_name(Uid uid) {
    const passwd* entry = user_of(uid.value);
    if (entry == nullptr) return std::nullopt;
    return entry->pw_name;
}

std::string user_name(Uid uid) {
    const passwd* entry = getpwuid(uid.value);
    return entry != nullptr ? entry->pw_name : "uid " + std::to_string(uid.value);
}

bool is_group_member(Uid uid, const std::string& group) {
    const struct group* wanted =
        looked_up("looking up a group", [&] { return getgrnam(group.c_str()); });
    if (wanted == nullptr) return false;
    const gid_t wanted_id = wanted->gr_gid;
    const passwd* entry = user_of(uid.value);
    if (entry == nullptr) return false;
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    while (getgrouplist(entry->pw_name, entry->pw_gid, groups.data(), &count) < 0) {
        groups.resize(std::max<std::size_t>(static_cast<std::size_t>(count), groups.size() * 2));
        count = static_cast<int>(groups.size());
    }
    groups.resize(static_cast<std::size_t>(count));
    return std::find(groups.begin(), groups.end(), wanted_id) != groups.end();
}

}  // namespace secrets::auth
