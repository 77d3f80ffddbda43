#pragma once

#include <functional>
#include <string>

#include "agentd/doors/event_loop.h"
#include "common/unique_fd.h"

namespace secrets::doors {

/// A listening socket in the event loop. Hands each connection (non-blocking, close-on-exec) to
/// `take`. When descriptors run out it pauses for a moment instead of spinning. Must outlive the
/// loop's run.
class Listener {
  public:
    Listener(asio::io_context& loop, UniqueFd listener, std::string name,
             std::function<void(UniqueFd)> take);

    /// Takes no further connection. Those that wait in the queue are refused by the kernel.
    void stop();

  private:
    asio::awaitable<void> accept();

    asio::posix::stream_descriptor listener_;
    asio::steady_timer pause_;
    std::string name_;
    std::function<void(UniqueFd)> take_;
    bool stopped_ = false;
};

}  // namespace secrets::doors
