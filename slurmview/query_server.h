// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/base/ids.h"
#include "common/ipc/unix_socket.h"
#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// Accepts the connection that waits at `listener`, and answers its request. Only root and `owner`
/// are allowed. A connection that stays silent costs a second.
void serve_one(int listener, Uid owner, QueryQueue& questions);

}  // namespace secrets::slurmview
