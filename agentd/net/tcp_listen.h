// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets::net {

/// Returns a listening TCP socket, non-blocking, at an address of this host.
StatusOr<UniqueFd> listen_at_address(const std::string& address, std::uint16_t port);

}  // namespace secrets::net
