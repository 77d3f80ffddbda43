// SPDX-License-Identifier: Apache-2.0
#pragma once
// Unix sockets with deadlines, peer credentials and descriptor passing. No function of this file
// blocks past its deadline, raises SIGPIPE or leaves a descriptor that a child would inherit.

#include <sys/types.h>

#include <span>
#include <string>

#include "common/base/deadline.h"
#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets {

enum class SocketKind { seqpacket, stream };

/// The process at the other end of a connected socket, as the kernel recorded it at connect().
struct Peer {
    Uid uid;
    pid_t pid = 0;
};
StatusOr<Peer> peer_of(int fd);

/// Listens at `path` with mode `mode`; non-blocking. A socket file without a listener is replaced;
/// a socket file with one, or a file of another kind, is an error.
StatusOr<UniqueFd> listen_at(const std::string& path, SocketKind kind, mode_t mode);

/// Accepts the next waiting connection of a listener, non-blocking. Without a connection, fd is -1.
StatusOr<UniqueFd> accept_from(int listener);

/// Connects to a SOCK_SEQPACKET listener. While the listener's queue is full, retries until the
/// deadline.
StatusOr<UniqueFd> connect_seqpacket(const std::string& path, Deadline deadline);

/// Sends one packet, with `passed_fd` unless that is -1.
Status send_packet(int fd, std::span<const std::byte> packet, Deadline deadline,
                   int passed_fd = -1);

/// One received packet. `size` 0: the other side closed. `cut`: it was longer than the buffer.
struct Packet {
    std::size_t size = 0;
    bool cut = false;
    UniqueFd fd;
};
StatusOr<Packet> receive_packet(int fd, std::span<std::byte> buffer, Deadline deadline);

/// Lets the other side read the last reply although some of its data was not read: without this
/// call the kernel would turn the reply into ECONNRESET. Must be called before the descriptor is
/// closed.
void discard_input(int fd);

/// Whether a packet, or the end of the connection, can be read at once.
bool is_readable(int fd);

/// Whether the other side has closed its end, without reading anything.
bool peer_is_gone(int fd);

}  // namespace secrets
