// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lets a test decide as which user it is connected to a Unix socket. fake_peer.cpp replaces
// getsockopt().

#include <optional>

#include "common/base/ids.h"

namespace secrets {

/// Makes the kernel report this user as the peer of every Unix socket; nothing: the real one.
void set_peer(std::optional<Uid> uid);

}  // namespace secrets
