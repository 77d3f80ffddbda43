// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include "agentd/net/asio.h"

namespace secrets::net {

/// Lets the event loop serve others before the caller goes on: for work in slices, of which each is
/// short.
inline asio::awaitable<void> let_others_run() {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
}

}  // namespace secrets::net
