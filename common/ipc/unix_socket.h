// SPDX-License-Identifier: Apache-2.0
#pragma once
// Unix sockets with deadlines, peer credentials and one descriptor in hand. No call here blocks
// past its deadline, raises SIGPIPE or leaves a descriptor that a child would inherit.

#include <sys/types.h>

#include <span>
#include <string>

#include "common/base/deadline.h"
#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets {

enum class SocketKind { seqpacket, stream };

/// Who is at the other end of a connected socket, as the kernel knows it since connect().
struct Peer {
    Uid uid;
    pid_t pid = 0;
};
StatusOr<Peer> peer_of(int fd);

/// Listens at `path` with that mode; non-blocking. A socket file that nobody answers on any more is
/// replaced; one that somebody answers on, or a file of another kind, is an error.
StatusOr<UniqueFd> listen_at(const std::string& path, SocketKind kind, mode_t mode);

/// Takes the next waiting connection off a listener, non-blocking. No connection: fd is -1.
StatusOr<UniqueFd> accept_from(int listener);

/// Connects to a SOCK_SEQPACKET listener; while its queue is full it tries again until the
/// deadline.
StatusOr<UniqueFd> connect_seqpacket(const std::string& path, Deadline deadline);

/// Sends one packet, and `passed_fd` with it unless that is -1.
Status send_packet(int fd, std::span<const std::byte> packet, Deadline deadline,
                   int passed_fd = -1);

/// One packet that came. `size` 0: the other side closed. `cut`: it was longer than the buffer.
struct Packet {
    std::size_t size = 0;
    bool cut = false;
    UniqueFd fd;
};
StatusOr<Packet> receive_packet(int fd, std::span<std::byte> buffer, Deadline deadline);

/// Lets the other side read the last answer although not all that it sent was read: without this
/// the kernel would turn that answer into ECONNRESET. To be called before the descriptor is closed.
void discard_input(int fd);

/// Whether a packet, or the other side's end, can be read at once.
bool is_readable(int fd);

/// Whether the other side has closed its end, without reading anything.
bool peer_is_gone(int fd);

}  // namespace secrets
