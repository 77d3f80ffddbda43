// SPDX-License-Identifier: Apache-2.0
#pragma once
// The event loop, of which the agent has one, and the parts of Boost.Asio that servers share.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace secrets {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

/// Returns a token that awaits without throwing: the outcome goes to `error`.
inline auto into(ErrorCode& error) {
    return asio::redirect_error(asio::use_awaitable, error);
}

}  // namespace secrets
