// SPDX-License-Identifier: Apache-2.0
#include "agentd/auth/user_database.h"

#include "agentd/auth/name_service.h"

namespace secrets::auth {
namespace {

/// Asks the name service in the caller's thread. For programs without an event loop.
class SystemUsers final : public UserDatabase {
  public:
    StatusOr<std::optional<Uid>> find_uid(const std::string& text, Certainty) override {
        if (text.find('\0') != text.npos) return std::optional<Uid>();
        const auto user = query_name_service({Lookup::Kind::user_by_name, text, {}});
        if (!user) return user.status();
        return user->user ? std::optional(user->user->uid) : std::nullopt;
    }

    StatusOr<std::optional<std::string>> find_name(Uid uid, Certainty) override {
        const auto user = query_name_service({Lookup::Kind::user_by_uid, "", uid});
        if (!user) return user.status();
        return user->user ? std::optional(user->user->name) : std::nullopt;
    }

    StatusOr<bool> is_group_member(Uid uid, const std::string& group, Certainty) override {
        const auto member = query_name_service({Lookup::Kind::membership, group, uid});
        if (!member) return member.status();
        return member->user.has_value();
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
    const auto name = users().find_name(uid, Certainty::current);
    if (name && *name) return **name;
    return "uid " + std::to_string(uid.value);
}

}  // namespace secrets::auth
