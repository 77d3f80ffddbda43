// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake_peer.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace secrets {
namespace {

std::optional<Uid> peer;

}  // namespace

void set_peer(std::optional<Uid> uid) {
    peer = uid;
}

}  // namespace secrets

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's are reserved
extern "C" int getsockopt(int fd, int level, int name, void* value, socklen_t* length) noexcept {
    const auto result = static_cast<int>(syscall(SYS_getsockopt, fd, level, name, value, length));
    if (result == 0 && level == SOL_SOCKET && name == SO_PEERCRED && secrets::peer) {
        static_cast<ucred*>(value)->uid = secrets::peer->value;
    }
    return result;
}
