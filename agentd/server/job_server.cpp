// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/job_server.h"

#include <sys/mman.h>
#include <unistd.h>

#include <variant>

#include "agentd/auth/lookup_attempts.h"
#include "agentd/server/peer_process.h"
#include "agentd/service/denials.h"
#include "common/base/errno_status.h"
#include "common/ipc/not_in_job.h"
#include "common/ipc/slurm_query_protocol.h"

namespace secrets::server {
namespace {

/// The submitting command waits a second in all.
constexpr auto kPatience = std::chrono::milliseconds(600);

using Clock = std::chrono::steady_clock;

/// The longest that a process may let the agent read its values.
constexpr auto kLongestRead = std::chrono::milliseconds(60'000);

/// Tells whether a failure is an answer, and not the lack of one.
bool is_certain(StatusCode code) {
    return code == StatusCode::not_found || code == StatusCode::permission_denied ||
           code == StatusCode::invalid_argument || code == StatusCode::too_large;
}

const char* anybody(const Peer&) {
    return nullptr;
}

}  // namespace

JobServer::JobServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
                     service::SharedStore* shared, CheckAtHub at_hub, ReadAtHub read_at_hub,
                     FindJob find_job)
    : services_(services),
      shared_(shared),
      at_hub_(std::move(at_hub)),
      read_at_hub_(std::move(read_at_hub)),
      find_job_(std::move(find_job)),
      server_(loop, std::move(listener), "job socket", anybody,
              [this](int fd, Peer peer, plugin_protocol::Request&& request) {
                  return answer(fd, peer, std::move(request));
              }) {}

asio::awaitable<void> JobServer::answer(int fd, Peer peer, plugin_protocol::Request request) {
    if (std::holds_alternative<plugin_protocol::PingRequest>(request)) {
        server_.send(fd, plugin_protocol::Done{"slurm-secretsd " SLURM_SECRETS_VERSION});
    } else if (const auto* check = std::get_if<plugin_protocol::CheckRequest>(&request)) {
        const std::string why = co_await why_not_submit(peer.uid, check->ask);
        server_.send(fd, why.empty() ? plugin_protocol::Reply(plugin_protocol::Done{})
                                     : plugin_protocol::Reply(plugin_protocol::Refused{why}));
    } else if (std::holds_alternative<plugin_protocol::MarkerRequest>(request)) {
        const Status failure = co_await send_marker(fd, peer);
        if (failure.ok()) co_return;
        // Busy: the job may have been given secrets, which cannot be known now.
        const bool has_none = failure.code() == StatusCode::not_found;
        server_.send(fd, has_none
                             ? plugin_protocol::Reply(plugin_protocol::Refused{failure.message()})
                             : plugin_protocol::Reply(plugin_protocol::Busy{failure.message()}));
    } else if (auto* get = std::get_if<plugin_protocol::GetRequest>(&request)) {
        co_await answer_get(fd, peer, std::move(*get));
    } else {
        server_.send(fd, plugin_protocol::Refused{
                             "the agent's job socket accepts only CHECK, MARKER, GET and PING"});
    }
}

/// Sends the marker of the job to which the peer belongs: slurmd knows it by the pid from the
/// kernel, so that no process asks for another's.
asio::awaitable<Status> JobServer::send_marker(int fd, Peer peer) {
    const auto job = co_await find_job_(peer);
    if (!job) co_return job.status();
    // The process asks because it sees itself inside a job. slurmd leaves out a step that it
    // cannot ask, and processes that left their step unless cgroups track them.
    if (*job == slurm_query::kNoJob)
        co_return Status::unavailable("slurmd does not know this process as one of a job");
    const auth::LookupAttempts attempts(kPatience);
    auto marker = attempts.run([&] { return services_.markers.marker_of(*job, peer.uid); });
    while (!marker && auth::is_pending(marker.status())) {
        co_await attempts.wait();
        marker = attempts.run([&] { return services_.markers.marker_of(*job, peer.uid); });
    }
    if (!marker) co_return marker.status();
    const std::string text = print_marker(*marker);
    const UniqueFd file(memfd_create("marker", MFD_CLOEXEC));
    if (!file || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        co_return errno_status("cannot write the marker");
    }
    const plugin_protocol::Marked marked{static_cast<std::uint32_t>(text.size())};
    co_return server_.try_to_send(fd, marked, file.get());
}

/// Returns the job of the process that connected. That it runs after slurmd has answered proves
/// that the answer is about it.
asio::awaitable<StatusOr<JobId>> JobServer::job_of(int fd, Peer peer) {
    const auto process = PeerProcess::of(fd, peer);
    if (!process) co_return process.status();
    const auto job = co_await find_job_(peer);
    if (!job) co_return Status::unavailable(job.status().message());
    if (!process->runs()) co_return process_has_ended();
    if (*job != slurm_query::kNoJob) co_return *job;
    co_return Status(StatusCode::permission_denied,
                     std::string(ipc::kNotInJob) +
                         ", according to slurmd; run the command in a step of the job");
}

asio::awaitable<void> JobServer::answer_get(int fd, Peer peer, plugin_protocol::GetRequest get) {
    const auto patience =
        std::min(std::chrono::milliseconds(get.patience_milliseconds), kLongestRead);
    Status failure;
    std::optional<JobId> known;
    const auto job = co_await job_of(fd, peer);
    if (job) {
        known = *job;
        auto request = services_.job_secrets.find(*job, peer.uid, get.spec);
        failure = request.status();
        if (failure.ok()) {
            failure = co_await send_values(fd, std::move(request).value(), patience);
        }
    } else {
        failure = job.status();
    }
    if (failure.ok()) co_return;
    if (!is_certain(failure.code())) {
        server_.send(fd, plugin_protocol::Busy{failure.message()});
        co_return;
    }
    failure = services_.job_secrets.deny(known, peer.uid, get.spec, std::move(failure));
    server_.send(fd, plugin_protocol::Refused{failure.message()});
}

asio::awaitable<Status> JobServer::send_values(int fd, service::JobRead request,
                                               std::chrono::milliseconds patience) {
    using std::chrono::milliseconds;
    const auto deadline = Clock::now() + patience;
    std::vector<vault::Delivery> grants;
    for (const service::WantedPart& part : request.parts) {
        // The client waits for all of them together. No time at all would mean the usual time.
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        auto grant = co_await read_part(request, part, std::max(left, milliseconds(1)));
        if (!grant) co_return grant.status();
        grants.push_back(std::move(grant).value());
    }
    auto values = services_.job_secrets.deliver(request, grants);
    if (!values) co_return values.status();
    const plugin_protocol::Granted granted{values->delivery.image_length, values->note};
    Status lost = server_.try_to_send(fd, granted, values->delivery.fd.get());
    if (values->event && lost.ok()) audit::publish(*values->event);
    if (values->event && !lost.ok()) audit::revert(*values->event, lost);
    // A client that has gone is not denied anything.
    if (!lost.ok()) co_return peer_is_gone(fd) ? Status() : Status::unavailable(lost.message());
    co_return Status();
}

/// Returns all values of one grant of the job that the process needs.
asio::awaitable<StatusOr<vault::Delivery>> JobServer::read_part(
    const service::JobRead& request, const service::WantedPart& part,
    std::chrono::milliseconds patience) {
    auto grant = service::JobSecretService::request_for(request, part);
    grant.patience_milliseconds = static_cast<std::uint32_t>(patience.count());
    if (read_at_hub_) co_return co_await read_at_hub_(std::move(grant));
    const auto time = plugin_protocol::time_to_answer(grant);
    const auto deadline = service::SharedStore::Clock::now() + time;
    const auth::LookupAttempts attempts(time);
    while (true) {
        if (shared_ != nullptr) {
            service::DocumentKeys about =
                services_.replication.documents_of_spec(request.owner, part.ask);
            const auto failure = co_await shared_->refresh(std::move(about), deadline, {});
            if (!failure.ok()) co_return service::not_known(failure);
        }
        auto values = attempts.run([&] { return services_.job_secrets.read(request, part); });
        if (!auth::is_pending(values)) co_return values;
        co_await attempts.wait();
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
