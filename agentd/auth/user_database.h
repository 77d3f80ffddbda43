// SPDX-License-Identifier: Apache-2.0
#pragma once
// Local accounts and groups, as the system knows them (NSS).

#include <optional>
#include <stdexcept>
#include <string>

#include "common/base/ids.h"

namespace secrets::auth {

/// The system could not look (no descriptor or memory left): whether there is such an account is
/// not known, and a "no" would be a lie.
struct UserDatabaseUnavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The account of that name, or of that number when `text` is one. Nothing when there is none.
/// Throws UserDatabaseUnavailable.
std::optional<Uid> find_uid(const std::string& text);

/// The name of the account with that number; nothing when there is none. Throws
/// UserDatabaseUnavailable.
std::optional<std::string> find_user_name(Uid uid);

/// The account's name, or its number where it has none.
std::string user_name(Uid uid);

/// Whether the account is a member of the group, by its own entry or by the group's. Throws
/// UserDatabaseUnavailable.
bool is_group_member(Uid uid, const std::string& group);

}  // namespace secrets::auth
