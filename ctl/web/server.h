// SPDX-License-Identifier: Apache-2.0
#pragma once
// The HTTP server of the page.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "ctl/client/client.h"
#include "ctl/web/listener.h"
#include "ctl/web/site.h"

namespace secrets::ctl::web {

/// Has what all sessions use. All of it must outlive the run of the event loop, and `threads` must
/// end before the loop is destroyed.
struct ServerContext {
    Site& site;
    const Client& agent;
    boost::asio::thread_pool& threads;  ///< for what waits for the agent
};

/// Accepts connections and serves each, until the event loop ends. Limits: 64 connections, 16 KiB
/// for a head, the route's own for a body, a minute for each of them to arrive. Connections of
/// other users are answered with a refusal, and have limits of their own.
boost::asio::awaitable<void> serve(Listener& listener, ServerContext context);

}  // namespace secrets::ctl::web
