// SPDX-License-Identifier: Apache-2.0
#pragma once
// Local accounts and groups, as the system knows them (NSS).

#include <optional>
#include <stdexcept>
#include <string>

#include "common/base/ids.h"

namespace secrets::auth {

/// Thrown if the system could not look an account up (no descriptor or memory left): whether the
/// account exists is not known, and a "no" would be wrong.
struct UserDatabaseUnavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Returns the account of that name, or of that number if `text` is one; nothing if there is none.
/// Throws UserDatabaseUnavailable.
std::optional<Uid> find_uid(const std::string& text);

/// Returns the name of the account with that number; nothing if there is none. Throws
/// UserDatabaseUnavailable.
std::optional<std::string> find_user_name(Uid uid);

/// Returns the account's name, or its number if it has none.
std::string user_name(Uid uid);

/// Returns whether the account is a member of the group, by its own entry or by the group's. Throws
/// UserDatabaseUnavailable.
bool is_group_member(Uid uid, const std::string& group);

}  // namespace secrets::auth
