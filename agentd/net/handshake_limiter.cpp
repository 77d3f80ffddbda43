// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/handshake_limiter.h"

#include <netinet/tcp.h>

#include <utility>

#include "agentd/audit/audit_log.h"
#include "common/ipc/unix_socket.h"

namespace secrets::net {
namespace {

using Clock = std::chrono::steady_clock;

/// Returns the time since this side sent something, or since the connection was made if it has sent
/// nothing.
std::chrono::milliseconds since_last_sent(int fd) {
    tcp_info info{};
    socklen_t length = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return {};
    return std::chrono::milliseconds(info.tcpi_last_data_sent);
}

/// Returns whether the handshake has waited for the client for that long: no data of the client is
/// left to be read.
bool lets_wait(int fd, std::chrono::milliseconds stall) {
    return !is_readable(fd) && since_last_sent(fd) >= stall;
}

/// Reports that a client was dropped, unless there is no memory to report it.
void say_dropped() noexcept {
    try {
        audit::report_problem("hub listener: dropped a client: out of memory");
    } catch (const std::exception&) {
    }
}

}  // namespace

HandshakeLimiter::Slot::Slot(Slot&& other) noexcept
    : queue_(std::exchange(other.queue_, nullptr)), held_(other.held_) {}

HandshakeLimiter::Slot::~Slot() {
    if (queue_ != nullptr) queue_->give_back(held_);
}

HandshakeLimiter::HandshakeLimiter(asio::io_context& loop, Manner manner,
                                   std::function<void(Client, Slot)> begin,
                                   std::function<void(const std::string& address)> say_silent)
    : manner_(manner),
      begin_(std::move(begin)),
      say_silent_(std::move(say_silent)),
      silence_(loop),
      stall_(loop) {}

void HandshakeLimiter::add(Client client) {
    if (stopped_) return;
    silent_.push_back({std::move(client), Clock::now() + manner_.silence});
    const auto silent = std::prev(silent_.end());
    try {
        watch_silent();
        wait_for_data(silent);
    } catch (const std::exception&) {
        silent_.erase(silent);
        throw;
    }
}

void HandshakeLimiter::stop() {
    stopped_ = true;
    waiting_.clear();
    ErrorCode ignored;
    for (Silent& silent : silent_) silent.client.socket.close(ignored);
    silence_.cancel();
    stall_.cancel();
}

void HandshakeLimiter::wait_for_data(std::list<Silent>::iterator silent) {
    silent->client.socket.async_wait(
        Tcp::socket::wait_read, [this, silent](const ErrorCode& error) { spoke(silent, error); });
}

void HandshakeLimiter::spoke(std::list<Silent>::iterator silent, const ErrorCode& error) {
    const bool waits = !error && !silent->left && !stopped_;
    // The loop may wrongly report a readable socket (agentd/net/readable.h).
    if (waits && !is_readable(silent->client.socket.native_handle())) return wait_for_data(silent);
    Client client = std::move(silent->client);
    silent_.erase(silent);
    if (silent_.empty()) silence_.cancel();  // the timer would keep the loop running
    if (!waits) return;
    waiting_.push_back(std::move(client));
    begin_next();
    watch_stalled();
}

void HandshakeLimiter::begin_next() {
    // A slot may come back while the loop below is in begin_(); that loop then goes on with it.
    if (std::exchange(begins_, true)) return;
    while (held_.size() < manner_.slots && !waiting_.empty()) {
        Client client = std::move(waiting_.front());
        waiting_.pop_front();
        const int fd = client.socket.native_handle();
        if (peer_is_gone(fd)) continue;
        try {
            held_.push_back({fd, Clock::now()});
            begin_(std::move(client), Slot(*this, std::prev(held_.end())));
        } catch (const std::exception&) {
            say_dropped();
        }
    }
    begins_ = false;
}

void HandshakeLimiter::give_back(std::list<Held>::iterator held) {
    (held->lost ? lost_ : held_).erase(held);
    begin_next();
}

void HandshakeLimiter::watch_silent() {
    if (watches_silent_ || silent_.empty()) return;
    silence_.expires_at(silent_.front().until);
    silence_.async_wait([this](const ErrorCode&) {
        watches_silent_ = false;
        if (!stopped_) turn_silent_away();
    });
    watches_silent_ = true;
}

void HandshakeLimiter::turn_silent_away() {
    const auto now = Clock::now();
    for (Silent& silent : silent_) {
        if (silent.until > now) break;
        if (std::exchange(silent.left, true)) continue;
        ErrorCode ignored;
        silent.client.socket.cancel(ignored);
        say_silent_(silent.client.counted.address());
    }
    watch_silent();
}

void HandshakeLimiter::watch_stalled() {
    if (watches_stalled_ || waiting_.empty()) return;
    stall_.expires_after(manner_.stall / 2);
    stall_.async_wait([this](const ErrorCode&) {
        watches_stalled_ = false;
        if (!stopped_) take_slots_of_stalled();
    });
    watches_stalled_ = true;
}

void HandshakeLimiter::take_slots_of_stalled() {
    const auto now = Clock::now();
    for (auto held = held_.begin(); held != held_.end();) {
        const auto next = std::next(held);
        const auto stall = lost_.size() < manner_.many ? manner_.stall : manner_.stall_of_many;
        if (held->since + stall > now) break;
        if (lets_wait(held->fd, stall)) {
            held->lost = true;
            lost_.splice(lost_.end(), held_, held);
        }
        held = next;
    }
    begin_next();
    watch_stalled();
}

}  // namespace secrets::net
