// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/listener.h"

#include <new>
#include <utility>

#include "agentd/audit/audit_log.h"
#include "common/ipc/unix_socket.h"

namespace secrets::net {
namespace {

constexpr auto kPauseWithoutDescriptors = std::chrono::milliseconds(100);

/// The number of connections accepted in one turn of the loop, which may be long under load: a full
/// queue turns clients away for a second and more.
constexpr int kAtOnce = 128;

}  // namespace

Listener::Listener(asio::io_context& loop, UniqueFd listener, std::string name,
                   std::function<void(UniqueFd)> take)
    : listener_(loop, listener.release()),
      pause_(loop),
      name_(std::move(name)),
      take_(std::move(take)) {
    wait();
}

void Listener::stop() {
    stopped_ = true;
    ErrorCode ignored;
    listener_.close(ignored);
    pause_.cancel();
}

void Listener::wait() {
    listener_.async_wait(asio::posix::stream_descriptor::wait_read,
                         HandlerInPlace(memory_, [this](const ErrorCode& error) {
                             if (!error && !stopped_) accept();
                         }));
}

void Listener::pause() {
    try {
        pause_.expires_after(kPauseWithoutDescriptors);
        pause_.async_wait(HandlerInPlace(memory_, [this](const ErrorCode&) {
            if (!stopped_) wait();
        }));
    } catch (const std::bad_alloc&) {
        wait();  // the loop's list of timers can't grow: then without a pause
    }
}

void Listener::accept() {
    int accepted = 0;
    while (accepted < kAtOnce && accept_one()) ++accepted;
    if (std::exchange(out_of_descriptors_, false)) {
        pause();
    } else {
        wait();
    }
}

/// Accepts a connection. Returns whether there may be another.
bool Listener::accept_one() noexcept {
    try {
        auto connection = accept_from(listener_.native_handle());
        out_of_descriptors_ = !connection.ok();
        if (!connection) {
            say("", connection.status().message());
        } else if (*connection) {
            in_trouble_ = false;
            take_(std::move(connection).value());
            return true;
        }
    } catch (const std::exception& error) {
        say("dropped a client: ", error.what());
    }
    return false;
}

/// Reports trouble once for as long as it lasts; not at all if there is no memory to report it.
void Listener::say(std::string_view what, std::string_view why) noexcept {
    if (std::exchange(in_trouble_, true)) return;
    try {
        audit::report_problem(name_ + ": " + std::string(what) + std::string(why));
    } catch (const std::exception&) {
        in_trouble_ = false;
    }
}

}  // namespace secrets::net
