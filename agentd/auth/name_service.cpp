// SPDX-License-Identifier: Apache-2.0
#include "agentd/auth/name_service.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include "common/base/errno_status.h"
#include "common/base/names.h"

namespace secrets::auth {
namespace {

constexpr std::size_t kFirstBuffer = 1024;
/// Bounds the entry of one group: about a million members.
constexpr std::size_t kLargestBuffer = 16UL * 1024 * 1024;

std::optional<uid_t> as_number(const std::string& text) {
    uid_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
    return number;
}

/// An entry of the database of users or of groups, with the memory that it points into.
template <typename Record>
struct Entry {
    Record record{};
    std::vector<char> buffer = std::vector<char>(kFirstBuffer);
};

/// Calls a function of the kind of getpwnam_r(3); returns whether it found an entry. glibc returns
/// an error only if a service failed, and 0 without an entry if all services answered "none".
template <typename Record, typename Query>
StatusOr<bool> find(Entry<Record>& entry, Query query) {
    while (true) {
        Record* found = nullptr;
        const int error = query(&entry.record, entry.buffer.data(), entry.buffer.size(), &found);
        if (error == 0) return found != nullptr;
        if (error == EINTR) continue;
        if (error != ERANGE || entry.buffer.size() >= kLargestBuffer) {
            errno = error;
            return errno_status("the name service", StatusCode::unavailable);
        }
        entry.buffer.resize(entry.buffer.size() * 4);
    }
}

StatusOr<bool> find_user(Entry<passwd>& user, const std::string& name) {
    return find(user, [&](passwd* record, char* buffer, std::size_t size, passwd** found) {
        return getpwnam_r(name.c_str(), record, buffer, size, found);
    });
}
StatusOr<bool> find_user(Entry<passwd>& user, uid_t uid) {
    return find(user, [&](passwd* record, char* buffer, std::size_t size, passwd** found) {
        return getpwuid_r(uid, record, buffer, size, found);
    });
}
StatusOr<bool> find_group(Entry<group>& entry, const std::string& name) {
    return find(entry, [&](group* record, char* buffer, std::size_t size, group** found) {
        return getgrnam_r(name.c_str(), record, buffer, size, found);
    });
}

LookupAnswer found(const Entry<passwd>& user) {
    return LookupResult{FoundUser{Uid{user.record.pw_uid}, user.record.pw_name}};
}

LookupAnswer none() {
    return LookupResult{};
}

LookupAnswer query_user(const std::string& text) {
    Entry<passwd> user;
    auto is_there = find_user(user, text);
    const auto number = as_number(text);
    if (is_there && !*is_there && number) is_there = find_user(user, *number);
    if (!is_there) return is_there.status();
    return *is_there ? found(user) : none();
}

LookupAnswer query_user(Uid uid) {
    Entry<passwd> user;
    const auto is_there = find_user(user, uid.value);
    if (!is_there) return is_there.status();
    return *is_there ? found(user) : none();
}

bool lists(const group& entry, std::string_view user) {
    for (char** member = entry.gr_mem; member != nullptr && *member != nullptr; ++member) {
        if (user == *member) return true;
    }
    return false;
}

/// Returns the groups of the user. Services that fail are left out without an error.
std::vector<gid_t> groups_of(const passwd& user) {
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    while (getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) {
        groups.resize(std::max<std::size_t>(static_cast<std::size_t>(count), groups.size() * 2));
        count = static_cast<int>(groups.size());
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

LookupAnswer query_membership(Uid uid, const std::string& name) {
    Entry<group> group;
    const auto has_group = find_group(group, name);
    if (!has_group) return has_group.status();
    if (!*has_group) return none();
    Entry<passwd> user;
    const auto has_user = find_user(user, uid.value);
    if (!has_user) return has_user.status();
    if (!*has_user) return none();
    if (lists(group.record, user.record.pw_name)) return found(user);
    const std::vector<gid_t> groups = groups_of(user.record);
    const bool is_in = std::find(groups.begin(), groups.end(), group.record.gr_gid) != groups.end();
    return is_in ? found(user) : LookupResult{.only_not_member = true};
}

}  // namespace

std::string Lookup::words() const {
    switch (kind) {
        case Kind::user_by_name:
            return "user " + in_quotes(name);
        case Kind::user_by_uid:
            return "user " + std::to_string(uid.value);
        case Kind::membership:
            break;
    }
    return "group " + in_quotes(name) + " of user " + std::to_string(uid.value);
}

LookupAnswer query_name_service(const Lookup& lookup) {
    switch (lookup.kind) {
        case Lookup::Kind::user_by_name:
            return query_user(lookup.name);
        case Lookup::Kind::user_by_uid:
            return query_user(lookup.uid);
        case Lookup::Kind::membership:
            break;
    }
    return query_membership(lookup.uid, lookup.name);
}

}  // namespace secrets::auth
