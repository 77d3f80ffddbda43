// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/job_server.h"

#include <sys/mman.h>
#include <unistd.h>

#include "agentd/auth/lookup_attempts.h"
#include "common/base/errno_status.h"
#include "common/ipc/slurm_query_protocol.h"

namespace secrets::server {
namespace {

/// The submitting command waits a second in all.
constexpr auto kPatience = std::chrono::milliseconds(600);

const char* anybody(const Peer&) {
    return nullptr;
}

}  // namespace

JobServer::JobServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
                     service::SharedStore* shared, CheckAtHub at_hub, FindJob find_job)
    : services_(services),
      shared_(shared),
      at_hub_(std::move(at_hub)),
      find_job_(std::move(find_job)),
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
    } else if (std::holds_alternative<plugin_protocol::MarkerRequest>(request)) {
        const Status failure = co_await send_marker(fd, peer);
        if (failure.ok()) co_return;
        // Busy: the job may have been given secrets, which cannot be known now.
        const bool is_certain = failure.code() == StatusCode::not_found;
        server_.send(fd, is_certain
                             ? plugin_protocol::Reply(plugin_protocol::Refused{failure.message()})
                             : plugin_protocol::Reply(plugin_protocol::Busy{failure.message()}));
    } else {
        server_.send(fd, plugin_protocol::Refused{
                             "the agent's job socket accepts only CHECK, MARKER and PING"});
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
