// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace secrets::server {

/// Returns whether a user with `own` connections may have a further one in place of one of the user
/// who has `most`. A user without a connection may even if all others have one each: a user
/// namespace has many uids.
constexpr bool may_displace(std::size_t most, std::size_t own) {
    return most > (own == 0 ? 0 : own + 1);
}

}  // namespace secrets::server
