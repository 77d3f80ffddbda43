// SPDX-License-Identifier: Apache-2.0
#pragma once
// The users and groups of this host: an interface, the system's own (NSS) behind it, and a place
// for another one in tests.

#include <optional>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::auth {

/// Looks up users and groups. An error (code unavailable) means that the answer cannot be known
/// now; it is never a "no". Not thread-safe.
class UserDatabase {
  public:
    UserDatabase() = default;
    UserDatabase(const UserDatabase&) = delete;
    UserDatabase& operator=(const UserDatabase&) = delete;
    virtual ~UserDatabase() = default;

    /// The user of that name, or of that number if `text` is one; nullopt if there is none.
    virtual StatusOr<std::optional<Uid>> find_uid(const std::string& text) = 0;

    /// The name of the user with that number; nullopt if there is none.
    virtual StatusOr<std::optional<std::string>> find_name(Uid uid) = 0;

    /// Whether the user is a member of the group, by the user's own entry or by the group's.
    virtual StatusOr<bool> is_group_member(Uid uid, const std::string& group) = 0;
};

/// The database of this process: the system's, unless a test has installed another.
UserDatabase& users();

/// Installs a database for tests; null: the system's again. It must outlive its use.
void use_database(UserDatabase* database);

/// The user's name; "uid N" if there is none or it cannot be known now. For sentences.
std::string user_name(Uid uid);

}  // namespace secrets::auth
