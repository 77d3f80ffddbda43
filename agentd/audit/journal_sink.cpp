// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/journal_sink.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace secrets::audit {
namespace {

/// The bytes that the kernel may hold before journald reads them. As many as libsystemd asks for;
/// the kernel gives what net.core.wmem_max allows.
constexpr int kSendBuffer = 8 * 1024 * 1024;

/// The pause between two attempts of drain_within() if there is no socket to wait for.
constexpr auto kPause = std::chrono::milliseconds(10);

}  // namespace

bool stderr_is_the_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (stream == nullptr || fstat(2, &status) != 0) return false;
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

bool JournalSink::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof(address.sun_path)) return false;
    std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
    UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0) return false;
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof(kSendBuffer));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return false;
    }
    socket_ = std::move(fd);
    return true;
}

JournalSink::Outcome JournalSink::try_to_send(const std::string& entry) {
    // Two attempts: the socket may still be connected to a journald that is gone.
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (socket_.get() < 0 && !connect()) return Outcome::later;
        if (::send(socket_.get(), entry.data(), entry.size(), MSG_NOSIGNAL) >= 0) {
            return Outcome::sent;
        }
        if (errno == EMSGSIZE) return Outcome::never;
        if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM) {
            return Outcome::later;
        }
        socket_ = UniqueFd();
    }
    return Outcome::later;
}

bool JournalSink::has_room_for(const std::string& entry) const {
    return waiting_.size() < kMaxWaitingEntries &&
           waiting_bytes_ + entry.size() <= kMaxWaitingBytes;
}

void JournalSink::put_in_line(std::string entry) {
    waiting_bytes_ += entry.size();
    waiting_.push_back(std::move(entry));
}

void JournalSink::drop() {
    ++dropped_;
    ++untold_;
}

void JournalSink::tell_what_was_dropped() {
    // Half of the queue must be free: if the journal accepts an entry only now and then, every
    // second one would otherwise report the drop of the one before.
    if (untold_ == 0 || waiting_.size() > kMaxWaitingEntries / 2 ||
        waiting_bytes_ > kMaxWaitingBytes / 2) {
        return;
    }
    put_in_line(tell_dropped_(untold_));
    untold_ = 0;
}

void JournalSink::send(std::string entry) {
    drain();
    if (waits()) {
        tell_what_was_dropped();
        if (untold_ == 0 && has_room_for(entry)) {
            put_in_line(std::move(entry));
        } else {
            drop();
        }
        return;
    }
    switch (try_to_send(entry)) {
        case Outcome::sent:
            return;
        case Outcome::later:
            return has_room_for(entry) ? put_in_line(std::move(entry)) : drop();
        case Outcome::never:
            return drop();
    }
}

bool JournalSink::drain() {
    bool took_some = false;
    while (true) {
        if (waiting_.empty()) tell_what_was_dropped();
        if (waiting_.empty()) return took_some;
        const Outcome outcome = try_to_send(waiting_.front());
        if (outcome == Outcome::later) return took_some;
        if (outcome == Outcome::never) drop();
        took_some = true;
        waiting_bytes_ -= waiting_.front().size();
        waiting_.pop_front();
    }
}

void JournalSink::drain_within(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    drain();
    while (waits() && std::chrono::steady_clock::now() < end) {
        pollfd writable{socket_.get(), POLLOUT, 0};  // without a socket (-1), only pauses
        poll(&writable, 1, static_cast<int>(kPause.count()));
        drain();
    }
}

}  // namespace secrets::audit
