// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/peer_process.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agentd/net/readable.h"
#include "common/base/errno_status.h"

namespace secrets::server {
namespace {

#ifdef SO_PEERPIDFD
constexpr int kPeerPidFd = SO_PEERPIDFD;
#else
constexpr int kPeerPidFd = 77;  // asm-generic/socket.h since Linux 6.5
#endif

/// Returns from errno why `call` gave no descriptor of a process. Only some causes mean that it
/// has ended; for others it may be known a moment later.
Status why_unknown(const std::string& call) {
    if (errno == ESRCH || errno == EINVAL || errno == ENODATA) return process_has_ended();
    const std::string what = "cannot identify the calling process: " + call;
    if (errno == ENOSYS)
        return Status::unavailable(what + ": the kernel is too old; it must be Linux 5.3 or later");
    return errno_status(what, StatusCode::unavailable);
}

}  // namespace

Status process_has_ended() {
    return {StatusCode::permission_denied,
            "the process that asked has ended, and another one may have its number"};
}

StatusOr<PeerProcess> PeerProcess::of(int connection, const Peer& peer) {
    int fd = -1;
    socklen_t length = sizeof(fd);
    if (getsockopt(connection, SOL_SOCKET, kPeerPidFd, &fd, &length) != 0) {
        if (errno != ENOPROTOOPT) return why_unknown("SO_PEERPIDFD");
        fd = static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0));
        if (fd < 0) return why_unknown("pidfd_open()");
    }
    PeerProcess process{UniqueFd(fd)};
    if (!process.runs()) return process_has_ended();
    return process;
}

bool PeerProcess::runs() const {
    return !is_readable(fd_.get());
}

}  // namespace secrets::server
