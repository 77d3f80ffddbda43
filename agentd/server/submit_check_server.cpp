#include "agentd/server/submit_check_server.h"

namespace secrets::doors {
namespace {

/// The command that submits waits a second in all.
constexpr auto kPatience = std::chrono::milliseconds(600);

const char* anybody(const Peer&) {
    return nullptr;
}

}  // namespace

JobDoor::JobDoor(asio::io_context& loop, UniqueFd listener, desk::Desk& desk, SharedStore* shared,
                 ChecksElsewhere* elsewhere)
    : desk_(desk),
      shared_(shared),
      elsewhere_(elsewhere),
      door_(loop, std::move(listener), "job door", anybody,
            [this](int fd, Peer peer, wire::Request request) {
                return answer(fd, peer, std::move(request));
            }) {}

asio::awaitable<void> JobDoor::answer(int fd, Peer peer, wire::Request request) {
    if (std::holds_alternative<wire::PingRequest>(request)) {
        door_.send(fd, wire::Done{"slurm-secretsd " SLURM_SECRETS_VERSION});
    } else if (const auto* check = std::get_if<wire::CheckRequest>(&request)) {
        const std::string why = co_await why_not_submit(peer.uid, check->ask);
        door_.send(fd, why.empty() ? wire::Reply(wire::Done{}) : wire::Reply(wire::Refused{why}));
    } else {
        door_.send(fd, wire::Refused{"the agent's job socket takes CHECK and PING alone"});
    }
}

asio::awaitable<std::string> JobDoor::why_not_submit(Uid uid, std::string ask) {
    if (elsewhere_ != nullptr) co_return co_await elsewhere_->why_not_submit(uid, std::move(ask));
    if (shared_ != nullptr) {
        desk::Subjects about = desk_.subjects_of_ask(uid, ask);
        const auto deadline = SharedStore::Clock::now() + kPatience;
        const auto failure = co_await shared_->refresh(std::move(about), deadline, {});
        if (failure) co_return "";  // nobody can tell
    }
    const auto refusal = desk_.check_submission(uid, ask);
    co_return refusal ? refusal->sentence : "";
}

}  // namespace secrets::doors
