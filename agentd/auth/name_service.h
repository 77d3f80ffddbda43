// SPDX-License-Identifier: Apache-2.0
#pragma once
// Queries of the name service of this host: what /etc/nsswitch.conf names, as files, sssd, LDAP.

#include <compare>
#include <optional>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::auth {

/// One query.
struct Lookup {
    enum class Kind {
        user_by_name,  ///< the user of that name, or of that number if `name` is one
        user_by_uid,
        membership,  ///< the user, if a member of group `name` by the user's or the group's entry
    };

    Kind kind = Kind::user_by_name;
    std::string name{};
    Uid uid{};

    /// Returns "user 'ann'", "user 1001", or "group 'lab' of user 1001".
    std::string words() const;

    auto operator<=>(const Lookup&) const = default;
};

struct FoundUser {
    Uid uid;
    std::string name;
};

/// What the name service found. "None" may be wrong: sssd is often built so that its client answers
/// "none" while sssd is stopped, and memberships of services that fail are left out.
struct LookupResult {
    std::optional<FoundUser> user{};
    /// Whether there are such a user and such a group, and only the one is not in the other.
    bool only_not_member = false;
};

/// The result, or an error if the name service did not answer.
using LookupAnswer = StatusOr<LookupResult>;

/// Queries the name service, which may take long. Thread-safe.
LookupAnswer query_name_service(const Lookup& lookup);

}  // namespace secrets::auth
