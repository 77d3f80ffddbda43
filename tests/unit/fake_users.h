// SPDX-License-Identifier: Apache-2.0
#pragma once
// Users and groups of the tests' own, so that these need none on the machine.

#include <map>
#include <set>
#include <string>
#include <utility>

#include "agentd/auth/user_database.h"

namespace secrets::auth {

/// root, alice, bob, and www-data, the account of a platform; each user is in a group of that name.
/// While `failure` is an error, nothing can be looked up; what is in `unknown`, never. No one
/// is found in groups in `doubtful`, which is not established, or `missing`, which is not
/// plausible.
class FakeUsers final : public UserDatabase {
  public:
    StatusOr<std::optional<Uid>> find_uid(const std::string& text, Certainty certainty) override {
        if (!failure.ok()) return failure;
        if (unknown.contains(text)) return away();
        for (const auto& [uid, name] : names) {
            if (text == name || text == std::to_string(uid.value)) return std::optional(uid);
        }
        if (is_in_doubt(text, certainty)) return away();
        return std::optional<Uid>();
    }

    StatusOr<std::optional<std::string>> find_name(Uid uid, Certainty) override {
        if (!failure.ok()) return failure;
        const auto found = names.find(uid);
        if (found == names.end()) return std::optional<std::string>();
        return std::optional(found->second);
    }

    StatusOr<bool> is_group_member(Uid uid, const std::string& group,
                                   Certainty certainty) override {
        if (!failure.ok()) return failure;
        if (unknown.contains(group) || is_in_doubt(group, certainty)) return away();
        if (doubtful.contains(group) || missing.contains(group)) return false;
        const auto found = names.find(uid);
        return found != names.end() && found->second == group;
    }

    static Status away() { return Status::unavailable("the name service is away"); }

    Status failure;
    std::set<std::string> unknown;
    std::set<std::string> doubtful;
    std::set<std::string> missing;
    std::map<Uid, std::string> names{
        {Uid{0}, "root"}, {Uid{1001}, "alice"}, {Uid{1002}, "bob"}, {Uid{33}, "www-data"}};

  private:
    bool is_in_doubt(const std::string& name, Certainty certainty) const {
        if (certainty == Certainty::current) return false;
        return missing.contains(name) ||
               (certainty == Certainty::established && doubtful.contains(name));
    }
};

/// The users that all unit tests see.
inline FakeUsers& fake_users() {
    static FakeUsers users;
    return users;
}

inline Uid uid_of(const std::string& name) {
    return **fake_users().find_uid(name, Certainty::current);
}

}  // namespace secrets::auth
