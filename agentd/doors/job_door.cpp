#include "agentd/doors/job_door.h"

namespace secrets::doors {
namespace {

const char* anybody(const Peer&) {
    return nullptr;
}

}  // namespace

JobDoor::JobDoor(asio::io_context& loop, UniqueFd listener, desk::Desk& desk)
    : desk_(desk),
      door_(loop, std::move(listener), "job door", anybody,
            [this](int fd, Peer peer, wire::Request request) {
                return answer(fd, peer, std::move(request));
            }) {}

asio::awaitable<void> JobDoor::answer(int fd, Peer peer, wire::Request request) {
    if (std::holds_alternative<wire::PingRequest>(request)) {
        door_.send(fd, wire::Done{"slurm-secretsd " SLURM_SECRETS_VERSION});
    } else if (const auto* check = std::get_if<wire::CheckRequest>(&request)) {
        const auto refusal = desk_.check_submission(peer.uid, check->ask);
        door_.send(fd, refusal ? wire::Reply(wire::Refused{refusal->sentence})
                               : wire::Reply(wire::Done{}));
    } else {
        door_.send(fd, wire::Refused{"the agent's job socket takes CHECK and PING alone"});
    }
    co_return;
}

}  // namespace secrets::doors
