// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/job_server.h"

#include "agentd/auth/lookup_attempts.h"

namespace secrets::server {
namespace {

/// The submitting command waits a second in all.
constexpr auto kPatience = std::chrono::milliseconds(600);

const char* anybody(const Peer&) {
    return nullptr;
}

}  // namespace

JobServer::JobServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
                     service::SharedStore* shared, CheckAtHub at_hub)
    : services_(services),
      shared_(shared),
      at_hub_(std::move(at_hub)),
      server_(loop, std::move(listener), "job socket", anybody,
              [this](int fd, Peer peer, plugin_protocol::Request request) {
                  return answer(fd, peer, std::move(request));
              }) {}

asio::awaitable<void> JobServer::answer(int fd, Peer peer, plugin_protocol::Request request) {
    if (std::holds_alternative<plugin_protocol::PingRequest>(request)) {
        server_.send(fd, plugin_protocol::Done{"slurm-secretsd " SLURM_SECRETS_VERSION});
    } else if (const auto* check = std::get_if<plugin_protocol::CheckRequest>(&request)) {
        const std::string why = co_await why_not_submit(peer.uid, check->ask);
        server_.send(fd, why.empty() ? plugin_protocol::Reply(plugin_protocol::Done{})
                                     : plugin_protocol::Reply(plugin_protocol::Refused{why}));
    } else {
        server_.send(
            fd, plugin_protocol::Refused{"the agent's job socket accepts only CHECK and PING"});
    }
}

asio::awaitable<std::string> JobServer::why_not_submit(Uid uid, std::string spec) {
    if (at_hub_) co_return co_await at_hub_(uid, std::move(spec));
    co_await auth::await_name(uid);
    const auto deadline = service::SharedStore::Clock::now() + kPatience;
    const auth::LookupAttempts attempts(kPatience);
    while (true) {
        if (shared_ != nullptr) {
            service::DocumentKeys about = services_.replication.documents_of_spec(uid, spec);
            const auto failure = co_await shared_->refresh(std::move(about), deadline, {});
            if (!failure.ok()) co_return "";  // nobody can tell
        }
        const auto refusal =
            attempts.run([&] { return services_.grants.check_submission(uid, spec); });
        if (!auth::is_pending(refusal)) co_return refusal.message();
        co_await attempts.wait();
    }
}

}  // namespace secrets::server
