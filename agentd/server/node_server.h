#pragma once
// The node door: slurmstepd and the epilog ask here, in the local wire
// (common/ipc/plugin_protocol.h). Bytes in, a request out, and the desk's answer back; nothing is
// decided here but that only root may speak.

#include <optional>

#include "agentd/api/router.h"
#include "agentd/server/ipc_server.h"
#include "agentd/service/desk.h"
#include "agentd/service/run_waiters.h"
#include "agentd/service/shared_store.h"

namespace secrets::doors {

/// Where the asks of steps go that the agent does not answer by itself: on a node of a hub.
class AsksElsewhere {
  public:
    /// `is_gone`: whether nobody waits for the answer any more.
    virtual asio::awaitable<desk::AskAnswer> ask(wire::AskRequest request, IsGone is_gone) = 0;

  protected:
    AsksElsewhere() = default;
    AsksElsewhere(const AsksElsewhere&) = default;
    AsksElsewhere& operator=(const AsksElsewhere&) = default;
    ~AsksElsewhere() = default;
};

/// Must outlive the loop's run.
class NodeDoor {
  public:
    /// `shared`: where what the desk answers from lies; null: here alone. `elsewhere`: null where
    /// this agent's desk answers asks. Both must outlive the door.
    NodeDoor(asio::io_context& loop, UniqueFd listener, desk::Desk& desk, RunWaiters& waiters,
             SharedStore* shared, AsksElsewhere* elsewhere);

    /// Takes no further connection, and finishes the requests that came. Asks that wait for a push
    /// must be let go, by the waiters: their plugins try again.
    void stop() { door_.stop(); }

    void end_silent() { door_.end_silent(); }

  private:
    asio::awaitable<void> answer(int fd, wire::Request request);
    void hand_over(int fd, const vault::Delivery& delivery, const std::string& note);
    asio::awaitable<std::optional<RunId>> answer_ask(int fd, const wire::AskRequest& request,
                                                     desk::AskAnswer& answer);
    asio::awaitable<desk::AskAnswer> ask_desk(int fd, wire::AskRequest request);
    asio::awaitable<desk::AskAnswer> wait_for_run(int fd, wire::AskRequest request);

    desk::Desk& desk_;
    SharedStore* shared_;
    AsksElsewhere* elsewhere_;
    RunWaiters& waiters_;
    WireDoor door_;
};

}  // namespace secrets::doors
