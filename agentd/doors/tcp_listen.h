#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace secrets::doors {

/// A listening TCP socket, non-blocking, at an address of this host.
Result<UniqueFd> listen_at_address(const std::string& address, std::uint16_t port);

}  // namespace secrets::doors
