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

/// Returns the entry that a lookup found, or null. The lookups leave errno as one of many things if
/// they find nothing (getpwnam(3)), but these say that they could not look.
template <typename Lookup>
auto look_up(const char* what, Lookup lookup) -> StatusOr<decltype(lookup())> {
    errno = 0;
    const auto entry = lookup();
    if (entry == nullptr && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
        return errno_status(what, StatusCode::unavailable);
    }
    return entry;
}

// The agent looks up in one thread: the functions without _r are safe and have no buffer to guess.

StatusOr<passwd*> user_of(const std::string& name) {
    return look_up("looking up a user", [&] { return getpwnam(name.c_str()); });
}
StatusOr<passwd*> user_of(uid_t uid) {
    return look_up("looking up a user", [&] { return getpwuid(uid); });
}

/// The users and groups that the name service of this host knows (NSS).
class SystemUsers final : public UserDatabase {
  public:
    StatusOr<std::optional<Uid>> find_uid(const std::string& text) override {
        if (text.find('\0') != std::string::npos) return std::optional<Uid>();
        const auto by_name = user_of(text);
        if (!by_name) return by_name.status();
        if (*by_name != nullptr) return std::optional(Uid{(*by_name)->pw_uid});
        const auto number = as_number(text);
        if (!number) return std::optional<Uid>();
        const auto by_number = user_of(*number);
        if (!by_number) return by_number.status();
        if (*by_number == nullptr) return std::optional<Uid>();
        return std::optional(Uid{*number});
    }

    StatusOr<std::optional<std::string>> find_name(Uid uid) override {
        const auto entry = user_of(uid.value);
        if (!entry) return entry.status();
        if (*entry == nullptr) return std::optional<std::string>();
        return std::optional<std::string>((*entry)->pw_name);
    }

    StatusOr<bool> is_group_member(Uid uid, const std::string& group) override {
        const auto wanted = look_up("looking up a group", [&] { return getgrnam(group.c_str()); });
        if (!wanted) return wanted.status();
        if (*wanted == nullptr) return false;
        const gid_t wanted_id = (*wanted)->gr_gid;
        const auto user = user_of(uid.value);
        if (!user) return user.status();
        if (*user == nullptr) return false;
        std::vector<gid_t> groups(64);
        int count = static_cast<int>(groups.size());
        while (getgrouplist((*user)->pw_name, (*user)->pw_gid, groups.data(), &count) < 0) {
            groups.resize(
                std::max<std::size_t>(static_cast<std::size_t>(count), groups.size() * 2));
            count = static_cast<int>(groups.size());
        }
        groups.resize(static_cast<std::size_t>(count));
        return std::find(groups.begin(), groups.end(), wanted_id) != groups.end();
    }
};

UserDatabase*& installed() {
    static UserDatabase* database = nullptr;
    return database;
}

}  // namespace

UserDatabase& users() {
    static SystemUsers system;
    return installed() != nullptr ? *installed() : system;
}

void use_database(UserDatabase* database) {
    installed() = database;
}

std::string user_name(Uid uid) {
    const auto name = users().find_name(uid);
    if (name && *name) return **name;
    return "uid " + std::to_string(uid.value);
}

}  // namespace secrets::auth
