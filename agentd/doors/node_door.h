#pragma once
// The node door: slurmstepd and the epilog ask here, in the local wire (common/wire.h). Bytes in, a
// request out, and the desk's answer back; nothing is decided here but that only root may speak.

#include <list>

#include "agentd/desk/desk.h"
#include "agentd/doors/wire_door.h"

namespace secrets::doors {

/// Must outlive the loop's run.
class NodeDoor {
  public:
    NodeDoor(asio::io_context& loop, UniqueFd listener, desk::Desk& desk);

    /// Takes no further connection, finishes the requests that came, and lets go of asks that wait
    /// for a push: their plugins try again.
    void stop();

    void end_silent() { door_.end_silent(); }

  private:
    /// An ask that waits for its run; lives on the stack of its connection's coroutine.
    struct Waiter {
        RunId run;
        asio::steady_timer* timer;
    };

    asio::awaitable<void> answer(int fd, wire::Request request);
    asio::awaitable<desk::AskAnswer> ask(int fd, wire::AskRequest request);
    void hand_over(int fd, const vault::Delivery& delivery, const std::string& note);
    void wake(const RunId& run);

    asio::io_context& loop_;
    desk::Desk& desk_;
    std::list<Waiter> waiters_;
    bool stopped_ = false;
    WireDoor door_;
};

}  // namespace secrets::doors
