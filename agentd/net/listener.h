// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agentd/base/handler_allocator.h"
#include "agentd/net/asio.h"
#include "common/base/unique_fd.h"

namespace secrets::net {

/// A listening socket in the event loop. Passes each connection (non-blocking, close-on-exec) to
/// `take`; a connection for which `take` throws is dropped. When descriptors run out, pauses for a
/// moment instead of spinning, and reports that once. Waiting for connections needs no memory, so
/// that it never ends for want of memory. Must outlive the loop's run.
class Listener {
  public:
    Listener(asio::io_context& loop, UniqueFd listener, std::string name,
             std::function<void(UniqueFd)> take);

    /// Accepts no further connection. The kernel rejects connections that wait in the queue.
    void stop();

  private:
    void wait();
    void pause();
    void accept();
    bool accept_one() noexcept;
    void say(std::string_view what, std::string_view why) noexcept;

    std::shared_ptr<HandlerMemory> memory_ = std::make_shared<HandlerMemory>();
    asio::posix::stream_descriptor listener_;
    asio::steady_timer pause_;
    std::string name_;
    std::function<void(UniqueFd)> take_;
    bool out_of_descriptors_ = false;
    bool stopped_ = false;
    bool in_trouble_ = false;
};

}  // namespace secrets::net
