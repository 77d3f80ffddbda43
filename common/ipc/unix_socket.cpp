// SPDX-License-Identifier: Apache-2.0
#include "common/ipc/unix_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <thread>

#include "common/base/errno_status.h"

namespace secrets {
namespace {

constexpr int kBacklog = 1024;

StatusOr<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return Status::failed("the socket's path " + path + " must have 1 to " +
                              std::to_string(sizeof(address.sun_path) - 1) + " characters");
    }
    memcpy(address.sun_path, path.data(), path.size());
    return address;
}

UniqueFd open_socket(SocketKind kind) {
    const int type = kind == SocketKind::seqpacket ? SOCK_SEQPACKET : SOCK_STREAM;
    return UniqueFd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int connect_once(int fd, const sockaddr_un& address) {
    return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

/// Waits until `fd` is ready for `events`; false when the deadline passes first.
bool wait_ready(int fd, short events, Deadline deadline) {
    while (true) {
        pollfd entry{fd, events, 0};
        const int ready = poll(&entry, 1, deadline.poll_milliseconds());
        if (ready > 0) return true;
        if (ready == 0 || errno != EINTR) return false;
    }
}

/// Removes a socket file that a process which has ended left behind.
Status remove_stale(const std::string& path, SocketKind kind, const sockaddr_un& address) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? Status() : errno_status("lstat() of " + path);
    }
    if (!S_ISSOCK(status.st_mode))
        return Status::failed(path + " exists and is not a socket; remove it");
    const UniqueFd probe = open_socket(kind);
    if (!probe) return errno_status("socket()");
    if (connect_once(probe.get(), address) == 0 || errno != ECONNREFUSED) {
        return Status::failed("another process listens on " + path);
    }
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return errno_status("removing " + path);
    return Status();
}

}  // namespace

StatusOr<Peer> peer_of(int fd) {
    ucred credentials{};
    socklen_t length = sizeof(credentials);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
        return errno_status("getsockopt(SO_PEERCRED)");
    }
    return Peer{Uid{credentials.uid}, credentials.pid};
}

StatusOr<UniqueFd> listen_at(const std::string& path, SocketKind kind, mode_t mode) {
    const auto address = address_of(path);
    if (!address) return address.status();
    if (Status wrong = remove_stale(path, kind, *address); !wrong.ok()) return wrong;
    UniqueFd fd = open_socket(kind);
    if (!fd) return errno_status("socket()");
    // The mode is set before the file exists (Linux applies it in bind()), and once more after the
    // umask was applied; the file never has a wider mode.
    if (fchmod(fd.get(), mode) != 0) return errno_status("fchmod() of the socket for " + path);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0) {
        return errno_status("bind() to " + path);
    }
    if (chmod(path.c_str(), mode) != 0) return errno_status("chmod() of " + path);
    if (listen(fd.get(), kBacklog) != 0) return errno_status("listen() on " + path);
    return fd;
}

StatusOr<UniqueFd> accept_from(int listener) {
    UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) return fd;
    // ECONNABORTED and EINTR: that client is gone; the listener becomes readable for the next one.
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return UniqueFd();
    return errno_status("accept()");
}

StatusOr<UniqueFd> connect_seqpacket(const std::string& path, Deadline deadline) {
    const auto address = address_of(path);
    if (!address) return address.status();
    while (true) {
        UniqueFd fd = open_socket(SocketKind::seqpacket);
        if (!fd) return errno_status("socket()");
        if (connect_once(fd.get(), *address) == 0) return fd;
        const bool queue_full = errno == EAGAIN;
        if ((!queue_full && errno != EINTR) || deadline.passed()) {
            return errno_status("connect() to " + path);
        }
        // A Unix listener whose queue is full has no event to poll for.
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

Status send_packet(int fd, std::span<const std::byte> packet, Deadline deadline, int passed_fd) {
    iovec part{const_cast<std::byte*>(packet.data()), packet.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (passed_fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &passed_fd, sizeof(int));
    }
    while (true) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return Status();
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return errno_status("sending");
        if (!wait_ready(fd, POLLOUT, deadline)) return Status::failed("sending timed out");
    }
}

StatusOr<Packet> receive_packet(int fd, std::span<std::byte> buffer, Deadline deadline) {
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    ssize_t size = -1;
    while (true) {
        message.msg_control = control;
        // Space for one descriptor, without the padding into which the kernel would put a second.
        message.msg_controllen = CMSG_LEN(sizeof(int));
        size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (size >= 0) break;
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return errno_status("receiving");
        if (!wait_ready(fd, POLLIN, deadline)) return Status::failed("receiving timed out");
    }
    Packet packet;
    packet.size = static_cast<std::size_t>(size);
    packet.cut = (message.msg_flags & MSG_TRUNC) != 0;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int))) {
        int received = -1;
        memcpy(&received, CMSG_DATA(header), sizeof(int));
        packet.fd = UniqueFd(received);
    }
    return packet;
}

void discard_input(int fd) {
    shutdown(fd, SHUT_RD);  // nothing more arrives after the data that is discarded below
    std::byte byte{};
    while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) > 0) {
    }
}

bool is_readable(int fd) {
    pollfd entry{fd, POLLIN, 0};
    return poll(&entry, 1, 0) > 0;
}

bool peer_is_gone(int fd) {
    pollfd entry{fd, POLLRDHUP, 0};
    return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace secrets
