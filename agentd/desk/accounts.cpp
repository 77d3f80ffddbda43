#include "agentd/desk/accounts.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace secrets::desk {
namespace {

std::optional<uid_t> as_number(const std::string& text) {
    uid_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
    return number;
}

}  // namespace

// The agent has one thread: the functions without _r are safe and have no buffer to guess.

std::optional<Uid> find_account(const std::string& text) {
    if (text.find('\0') != std::string::npos) return std::nullopt;
    if (const passwd* entry = getpwnam(text.c_str())) return Uid{entry->pw_uid};
    const auto number = as_number(text);
    if (number && getpwuid(*number) != nullptr) return Uid{*number};
    return std::nullopt;
}

std::string account_name(Uid uid) {
    const passwd* entry = getpwuid(uid.value);
    return entry != nullptr ? entry->pw_name : "uid " + std::to_string(uid.value);
}

bool is_member(Uid uid, const std::string& group) {
    const struct group* wanted = getgrnam(group.c_str());
    if (wanted == nullptr) return false;
    const gid_t wanted_id = wanted->gr_gid;
    const passwd* entry = getpwuid(uid.value);
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

}  // namespace secrets::desk
