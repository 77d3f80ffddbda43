// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/node_server.h"

#include <array>
#include <cstdio>
#include <variant>

#include "agentd/api/metrics_text.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/service/grant_requests.h"

namespace secrets::server {
namespace {

const char* only_root(const Peer& peer) {
    return peer.uid.value == 0 ? nullptr : "only root may use the agent's node socket";
}

std::string waited_note(std::chrono::steady_clock::time_point since, const RunId& run) {
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - since;
    std::array<char, 32> seconds{};
    std::snprintf(seconds.data(), seconds.size(), "%.1f", waited.count());
    return "waited " + std::string(seconds.data()) + " s for run " + run.text();
}

/// Returns the outcome to count; nothing for a request that gets no answer now.
std::optional<metrics::GrantOutcome> outcome_of(const service::GrantAnswer& answer) {
    if (std::holds_alternative<service::Granted>(answer)) return metrics::GrantOutcome::granted;
    if (std::holds_alternative<service::Nothing>(answer)) return metrics::GrantOutcome::nothing;
    if (std::holds_alternative<Status>(answer)) return metrics::GrantOutcome::refused;
    return std::nullopt;
}

}  // namespace

NodeServer::NodeServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
                       service::RunWaiters& waiters, service::SharedStore* shared,
                       GrantAtHub grant_at_hub, BindRun bind)
    : services_(services),
      shared_(shared),
      grant_at_hub_(std::move(grant_at_hub)),
      bind_(std::move(bind)),
      waiters_(waiters),
      server_(loop, std::move(listener), "node socket", only_root,
              [this](int fd, Peer, plugin_protocol::Request&& request) {
                  return answer(fd, std::move(request));
              }) {}

asio::awaitable<void> NodeServer::answer(int fd, plugin_protocol::Request request) {
    if (const auto* wipe = std::get_if<plugin_protocol::WipeRequest>(&request)) {
        server_.send(fd, plugin_protocol::Done{services_.grants.wipe(wipe->job)});
        co_return;
    }
    if (std::holds_alternative<plugin_protocol::PingRequest>(request)) {
        server_.send(fd, plugin_protocol::Done{"slurm-secretsd " SLURM_SECRETS_VERSION});
        co_return;
    }
    if (const auto* head = std::get_if<plugin_protocol::BindRequest>(&request)) {
        const Status failure = co_await bind(*head);
        server_.send(fd, failure.ok()
                             ? plugin_protocol::Reply(plugin_protocol::Done{})
                             : plugin_protocol::Reply(plugin_protocol::Refused{failure.message()}));
        co_return;
    }
    if (!std::holds_alternative<plugin_protocol::GrantRequest>(request)) {
        server_.send(fd, plugin_protocol::Refused{
                             "the agent's node socket accepts only GRANT, WIPE, BIND and PING"});
        co_return;
    }
    const auto since = std::chrono::steady_clock::now();
    auto& grant_request = std::get<plugin_protocol::GrantRequest>(request);
    service::GrantAnswer answer;
    const auto waited_for = co_await answer_grant(fd, grant_request, answer);
    std::string note;
    if (waited_for) note = waited_note(since, *waited_for);
    if (const auto* granted = std::get_if<service::Granted>(&answer)) {
        if (!granted->note.empty()) note += (note.empty() ? "" : "; ") + granted->note;
        Status failure = hand_over(fd, grant_request, *granted, note);
        if (!failure.ok()) answer = std::move(failure);
    } else if (std::holds_alternative<service::Nothing>(answer)) {
        server_.send(fd, plugin_protocol::Nothing{note});
    } else if (const auto* refusal = std::get_if<Status>(&answer)) {
        server_.send(fd, plugin_protocol::Refused{refusal->message()});
    }
    if (const auto outcome = outcome_of(answer)) {
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - since;
        metrics::count_grant(*outcome, waited_for ? std::nullopt : std::optional(took));
    }
    // Still WaitForRun: the agent is shutting down. Closing without an answer makes the plugin try
    // again.
}

asio::awaitable<Status> NodeServer::bind(plugin_protocol::BindRequest request) {
    auto run = RunId::parse(request.run);
    if (!run) co_return run.status();
    service::RunBinding binding{std::move(run).value(), request.job, request.uid};
    co_return co_await bind_(std::move(binding));
}

/// Sends a delivery, and records the outcome: a step whose slurmstepd has gone was granted nothing.
Status NodeServer::hand_over(int fd, const plugin_protocol::GrantRequest& request,
                             const service::Granted& granted, const std::string& note) {
    const vault::Delivery& delivery = granted.delivery;
    Status failure = server_.try_to_send(fd, plugin_protocol::Granted{delivery.image_length, note},
                                         delivery.fd.get());
    if (failure.ok()) {
        services_.grants.record_handed_over(request, granted);
        return failure;
    }
    Status lost = services_.grants.record_lost(
        request, granted, {failure.code(), "cannot send the delivery: " + failure.message()});
    server_.send(fd, plugin_protocol::Refused{lost.message()});
    return lost;
}

/// Answers a grant request; returns the run that the request waited for, if it waited.
asio::awaitable<std::optional<RunId>> NodeServer::answer_grant(
    int fd, const plugin_protocol::GrantRequest& request, service::GrantAnswer& answer) {
    if (grant_at_hub_) {
        // Only the hub knows whether the run exists.
        const std::uint32_t wait = request.wait_milliseconds;
        if (wait > 0) server_.send(fd, plugin_protocol::Waiting{wait});
        api::IsGone is_gone = [fd] { return peer_is_gone(fd); };
        answer = co_await grant_at_hub_(request, std::move(is_gone));
        co_return std::nullopt;
    }
    answer = co_await request_grant(fd, request);
    const auto* wait = std::get_if<service::WaitForRun>(&answer);
    if (wait == nullptr) co_return std::nullopt;
    const RunId run = wait->run;
    answer = co_await wait_for_run(fd, request);
    co_return run;
}

asio::awaitable<service::GrantAnswer> NodeServer::request_grant(
    int fd, plugin_protocol::GrantRequest request) {
    const auto patience = plugin_protocol::time_to_answer(request);
    const auth::LookupAttempts attempts(patience);
    const auto deadline = service::SharedStore::Clock::now() + patience;
    co_await auth::await_name(request.uid);
    while (true) {
        if (shared_ != nullptr) {
            service::DocumentKeys about =
                services_.replication.documents_of_spec(request.uid, request.ask);
            const auto failure = co_await shared_->refresh(std::move(about), deadline, {});
            if (!failure.ok()) {
                co_return service::grant_requests::deny(request, "", service::not_known(failure));
            }
        }
        // A job that was cancelled meanwhile must not be given a hold.
        if (peer_is_gone(fd)) co_return service::Nothing{};
        auto answer = attempts.run([&] { return services_.grants.grant_step(request); });
        if (!auth::is_pending(answer)) co_return answer;
        co_await attempts.wait();
    }
}

/// Waits until the run is pushed or the request's time is up, and requests the grant again.
asio::awaitable<service::GrantAnswer> NodeServer::wait_for_run(
    int fd, plugin_protocol::GrantRequest request) {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(request.wait_milliseconds);
    server_.send(fd, plugin_protocol::Waiting{request.wait_milliseconds});
    while (true) {
        service::GrantAnswer answer = co_await request_grant(fd, request);
        const auto* wait = std::get_if<service::WaitForRun>(&answer);
        if (wait == nullptr || waiters_.stopped()) co_return answer;
        if (std::chrono::steady_clock::now() >= deadline) {
            co_return services_.grants.deny_unpushed(request, "", wait->run);
        }
        co_await waiters_.wait(wait->run, deadline);
        // A job that was cancelled while it waited must not be given a hold.
        if (peer_is_gone(fd)) co_return service::Nothing{};
    }
}

}  // namespace secrets::server
