#pragma once
// The job door: what any local user may ask in the local wire (common/wire.h). The kernel says who
// it is; nothing but names is said.

#include "agentd/desk/desk.h"
#include "agentd/doors/wire_door.h"

namespace secrets::doors {

/// Must outlive the loop's run.
class JobDoor {
  public:
    JobDoor(asio::io_context& loop, UniqueFd listener, desk::Desk& desk);

    void stop() { door_.stop(); }
    void end_silent() { door_.end_silent(); }

  private:
    asio::awaitable<void> answer(int fd, Peer peer, wire::Request request);

    desk::Desk& desk_;
    WireDoor door_;
};

}  // namespace secrets::doors
