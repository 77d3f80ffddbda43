// SPDX-License-Identifier: Apache-2.0
#include "agentd/store/closed_store.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace secrets::store {

namespace asio = boost::asio;

void ClosedStore::start(Supervisor& supervisor, std::string why, std::chrono::milliseconds pause) {
    why_ = std::move(why);
    supervisor.start("closed_store", [this, pause] { return run(pause); });
}

void ClosedStore::stop() {
    stopped_ = true;
    timer_.cancel();
}

/// Waits forever once the store is open: a task that ends is started again.
asio::awaitable<void> ClosedStore::run(std::chrono::milliseconds pause) {
    while (!stopped_) {
        timer_.expires_after(is_open_ ? asio::steady_timer::duration::max() : pause);
        boost::system::error_code cancelled;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        if (stopped_ || is_open_) co_return;
        OpenedStore opened = open_();
        is_open_ = opened.store != nullptr;
        if (!is_open_ && opened.why_closed == why_) continue;
        why_ = opened.why_closed;
        give_(std::move(opened));
    }
}

}  // namespace secrets::store
