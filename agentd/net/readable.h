// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <memory>

#include "agentd/net/deadline_operation.h"
#include "common/ipc/unix_socket.h"

namespace secrets::net {

/// Waits until `descriptor` has data or its peer has closed it. Returns false at the deadline, and
/// if the descriptor is told to cancel().
///
/// The loop's word is not enough: it may report a descriptor readable that is not, as an event of
/// the connection before, which had the same number, can still be queued (Boost.Asio 1.74).
inline asio::awaitable<bool> wait_until_readable(
    std::shared_ptr<asio::posix::stream_descriptor> descriptor,
    std::chrono::steady_clock::time_point deadline) {
    const auto wait = [](asio::posix::stream_descriptor& waiting, auto done) {
        waiting.async_wait(asio::posix::stream_descriptor::wait_read, std::move(done));
    };
    while (!is_readable(descriptor->native_handle())) {
        const ErrorCode error = co_await with_deadline(deadline, descriptor, wait);
        if (error) co_return false;
    }
    co_return true;
}

}  // namespace secrets::net
