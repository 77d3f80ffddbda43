// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/connection_limits.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/ipc/unix_socket.h"

namespace secrets::net {
namespace {

/// Returns for how long a client has let the server wait; nothing if it is the server's turn: data
/// of the client is unread, or the client has left.
std::optional<std::chrono::milliseconds> silence_of(int fd) {
    tcp_info info{};
    socklen_t length = sizeof(info);
    if (is_readable(fd) || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
        return std::nullopt;
    }
    return std::chrono::milliseconds(info.tcpi_last_data_recv);
}

}  // namespace

ConnectionLimits::Counted::Counted(Counted&& other) noexcept
    : limits_(std::exchange(other.limits_, nullptr)),
      address_(other.address_),
      connection_(other.connection_) {}

ConnectionLimits::Counted::~Counted() {
    if (limits_ == nullptr) return;
    Address& address = address_->second;
    if (const auto caller = connection_->caller) {
        if (--(*caller)->second == 0) address.callers.erase(*caller);
    }
    if (connection_->is_counted) --limits_->open_;
    (connection_->is_unproven ? address.unproven : address.others).erase(connection_);
    if (--address.open == 0) limits_->addresses_.erase(address_);
}

Status ConnectionLimits::Counted::prove(const std::string& caller) {
    if (!connection_->is_unproven) return Status();
    Address& address = address_->second;
    const auto of = address.callers.try_emplace(caller, 0).first;
    if (of->second >= limits_->most_.of_one_caller) {
        return Status::unavailable("cannot serve " + caller + " on a further connection from " +
                                   address_->first + ": " + std::to_string(of->second) +
                                   " are open, which is the limit; close some");
    }
    ++of->second;
    connection_->caller = of;
    connection_->is_unproven = false;
    address.others.splice(address.others.end(), address.unproven, connection_);
    return Status();
}

StatusOr<ConnectionLimits::Counted> ConnectionLimits::admit(const std::string& address) {
    const auto of = addresses_.try_emplace(address).first;
    const auto refuse = [&](std::size_t limit, const std::string& of_what) {
        if (of->second.open == 0) addresses_.erase(of);
        return Status::failed("limit of " + std::to_string(limit) + " connections " + of_what +
                              " reached");
    };
    if (of->second.unproven.size() >= most_.unproven_of_one_address && !close_silent(of)) {
        return refuse(most_.unproven_of_one_address,
                      "per address without a proof of the caller's identity");
    }
    if (open_ >= most_.together) {
        // An address gives way only to one that has fewer.
        const auto most = most_unproven();
        if (most->second.unproven.size() <= of->second.unproven.size() + 1 || !close_silent(most)) {
            return refuse(most_.together, "to the hub");
        }
    }
    of->second.unproven.emplace_back();
    ++of->second.open;
    ++open_;
    return Counted(*this, of, std::prev(of->second.unproven.end()));
}

/// Shuts down the unproven connection of an address whose client has been silent for the longest;
/// what serves it then ends. Returns whether there was one.
bool ConnectionLimits::close_silent(Addresses::iterator address) {
    auto& unproven = address->second.unproven;
    const auto now = Clock::now();
    auto silent = unproven.end();
    std::chrono::milliseconds longest{};
    for (auto each = unproven.begin(); each != unproven.end(); ++each) {
        // None is silent for longer than it is there, and those that follow came later.
        if (silent != unproven.end() && longest >= now - each->came) break;
        if (each->is_busy || each->socket == nullptr || !each->socket->is_open()) continue;
        const auto silence = silence_of(each->socket->native_handle());
        if (!silence || (silent != unproven.end() && *silence <= longest)) continue;
        silent = each;
        longest = *silence;
    }
    if (silent == unproven.end()) return false;
    shutdown(silent->socket->native_handle(), SHUT_RDWR);
    silent->is_unproven = false;
    silent->is_counted = false;
    address->second.others.splice(address->second.others.end(), unproven, silent);
    --open_;
    note_(address->first,
          "limit of connections without a proof of the caller's identity reached; the one silent "
          "for the longest was closed");
    return true;
}

ConnectionLimits::Addresses::iterator ConnectionLimits::most_unproven() {
    return std::max_element(addresses_.begin(), addresses_.end(), [](const auto& a, const auto& b) {
        return a.second.unproven.size() < b.second.unproven.size();
    });
}

}  // namespace secrets::net
