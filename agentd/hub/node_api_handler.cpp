// SPDX-License-Identifier: Apache-2.0
#include "agentd/hub/node_api_handler.h"

#include <variant>

#include "agentd/api/grant_body.h"
#include "agentd/api/handlers.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/hub/origin_checks.h"
#include "agentd/net/let_others_run.h"
#include "agentd/service/grant_requests.h"
#include "agentd/service/shared_run_changes.h"
#include "common/base/names.h"

namespace secrets::hub {
namespace {

namespace asio = boost::asio;
using api::HttpResponse;
using api::NodeGrantRequest;
using slurm_query::Verdict;

/// Time that a report waits for Slurm, less than its node waits for the response; and how many of
/// its jobs are queried: Slurm says nothing of a job that has just ended.
constexpr auto kPatienceForReports = std::chrono::milliseconds(600);
constexpr std::size_t kMostPlacementsOfReport = 4;

/// Time for ending a run with its head job, less than the job's step waits.
constexpr auto kPatienceForHeads = std::chrono::milliseconds(1200);

/// Maximum age of the data for reports: thousands of nodes report about the same runs.
constexpr auto kAgeForReports = std::chrono::seconds(2);

Status refusal_of(const slurm::PlacementAnswer& answer, const NodeGrantRequest& request) {
    const std::string job = "job " + std::to_string(request.grant.job.value);
    std::string why = answer.why;
    switch (answer.verdict) {
        case Verdict::runs_there:
            return Status();
        case Verdict::does_not_run:
            return Status(StatusCode::permission_denied,
                          job + " is not running, according to slurmctld");
        case Verdict::other_owner:
            return Status(StatusCode::permission_denied,
                          job + " does not belong to uid " +
                              std::to_string(request.grant.uid.value) + ", according to slurmctld");
        case Verdict::other_node:
            return Status(StatusCode::permission_denied,
                          job + " does not run on node " + in_quotes(request.node) +
                              ", according to slurmctld; if slurm.conf calls it otherwise, upgrade "
                              "the plugin there, which sends that name, or set hub.node to it");
        case Verdict::other_address:
            return Status(StatusCode::permission_denied,
                          "node " + in_quotes(request.node) + " is not at " +
                              request.origin.address +
                              ", according to slurmctld; let its NodeAddr or NodeHostName resolve "
                              "to that address on the hub");
        case Verdict::no_node:
            why = "slurmctld does not list the node now; has it just started?";
            break;
        case Verdict::unknown_job:
            why =
                "slurmctld does not know the job, which ended long ago, or slurmctld lost its "
                "state";
            break;
        case Verdict::is_node:  // no answer to a question about a job
        case Verdict::unknown:
            break;
    }
    return Status(StatusCode::unavailable, "the hub cannot check whether " + job +
                                               " runs on node " + in_quotes(request.node) + ": " +
                                               why);
}

HttpResponse answer_of(service::NodeGrantAnswer answer) {
    if (auto* granted = std::get_if<service::NodeGranted>(&answer)) {
        HttpResponse http{200, "application/octet-stream", ""};
        http.secret = std::move(granted->image);
        http.etag = std::move(granted->tag);
        http.note = std::move(granted->note);
        return http;
    }
    if (std::holds_alternative<service::Unchanged>(answer)) return {304, "", ""};
    if (const auto* denied = std::get_if<service::GrantDenied>(&answer)) {
        return api::refused(denied->why, api::kGrantDenied);
    }
    if (const auto* denial = std::get_if<Status>(&answer)) return api::refused(*denial);
    return {204, "", ""};
}

}  // namespace

NodeApiHandler::NodeApiHandler(asio::io_context& loop, Supervisor& supervisor, const Config& config,
                               service::Services& services, service::RunWaiters& waiters,
                               service::SharedStore* shared)
    : agents_(config.listen.agents),
      services_(services),
      placements_(loop, supervisor, config.view_socket),
      checks_(loop, supervisor, config.listen, services, placements_, shared, seen_),
      waiters_(waiters),
      shared_(shared) {}

HttpResponse NodeApiHandler::grant(NodeGrantRequest request) {
    HttpResponse answer;
    answer.later = [this, request = std::move(request)](api::IsGone is_gone) {
        return this->answer(request, std::move(is_gone));
    };
    return answer;
}

HttpResponse NodeApiHandler::report(api::HoldReport request) {
    HttpResponse answer;
    answer.later = [this, request = std::move(request)](const api::IsGone&) {
        return answer_report(request);
    };
    return answer;
}

HttpResponse NodeApiHandler::bind(api::NodeBindingRequest request) {
    HttpResponse answer;
    answer.later = [this, request = std::move(request)](const api::IsGone&) {
        return answer_binding(request);
    };
    return answer;
}

asio::awaitable<HttpResponse> NodeApiHandler::answer_binding(api::NodeBindingRequest request) {
    const auto deadline = slurm::JobPlacement::Clock::now() + kPatienceForHeads;
    NodeGrantRequest step{};
    step.grant.job = request.head.job;
    step.grant.uid = request.head.uid;
    step.node = request.node;
    step.origin = request.origin;
    auto refusal = co_await check_placement(step, deadline);
    if (refusal.ok()) {
        refusal = co_await service::bind_run(services_, shared_, request.head, deadline);
    }
    if (!refusal.ok()) co_return api::refused(refusal);
    co_return HttpResponse{204, "", ""};
}

asio::awaitable<HttpResponse> NodeApiHandler::answer_report(api::HoldReport request) {
    if (host_certificates_) {
        const auto stranger = check_host_certificate(request.origin, request.node);
        if (!stranger.ok()) co_return api::refused(stranger);
    }
    const bool there = co_await is_there(request);
    if (there) seen_.note(request.origin.address, services_.context.wall_now());
    service::NodeReport report{request.node, request.origin.address, request.held, there, true};
    service::ReportProgress progress;
    const auto deadline = slurm::JobPlacement::Clock::now() + kPatienceForReports;
    Status unknown;
    bool is_processed = false;
    while (!is_processed) {
        if (progress.processed > 0) co_await net::let_others_run();
        const Status failure = co_await refresh_for(request, progress.processed, deadline);
        report.is_current = failure.ok();
        if (!failure.ok()) unknown = failure;
        is_processed = services_.node_grants.process_report(report, progress);
    }
    // Another hub may know what ended.
    if (!unknown.ok()) co_return api::refused(service::not_known(unknown));
    co_return HttpResponse{200, "application/json", api::revoked_json(progress.revoked)};
}

/// Returns whether the node is at the address that it reports from: the address of an earlier
/// grant, or of one of its jobs.
asio::awaitable<bool> NodeApiHandler::is_there(const api::HoldReport& request) {
    const auto known = addresses_.find(request.node);
    if (known != addresses_.end() && known->second == request.origin.address) co_return true;
    const auto deadline = slurm::JobPlacement::Clock::now() + kPatienceForReports;
    std::size_t tried = 0;
    for (const vault::CachedGrant& held : request.held) {
        if (++tried > kMostPlacementsOfReport) break;
        slurm_query::Placement placement{held.job, held.owner, request.node,
                                         request.origin.address};
        const slurm::PlacementAnswer answer =
            co_await placements_.ask(std::move(placement), deadline);
        if (answer.verdict == Verdict::unknown) break;
        if (answer.verdict != Verdict::runs_there) continue;
        addresses_[request.node] = request.origin.address;
        co_return true;
    }
    co_return false;
}

/// Returns ok only if Slurm says that the job runs where the request comes from.
asio::awaitable<Status> NodeApiHandler::check_placement(const NodeGrantRequest& request,
                                                        Time deadline) {
    auto stranger =
        host_certificates_ ? check_host_certificate(request.origin, request.node) : Status();
    if (!stranger.ok()) co_return stranger;
    // Made in a statement of its own: GCC 12 destroys such a temporary of a co_await twice.
    slurm_query::Placement placement{request.grant.job, request.grant.uid, request.node,
                                     request.origin.address};
    const slurm::PlacementAnswer answer = co_await placements_.ask(placement, deadline);
    if (answer.verdict != Verdict::runs_there) co_return refusal_of(answer, request);
    if (!has_same_origin(request.origin)) {
        placement.address = request.origin.munge_address;
        const slurm::PlacementAnswer made_at = co_await placements_.ask(placement, deadline);
        if (made_at.verdict == Verdict::other_address) {
            co_return created_elsewhere(request.origin, "node " + in_quotes(request.node));
        }
        if (made_at.verdict != Verdict::runs_there) co_return refusal_of(made_at, request);
    }
    addresses_[request.node] = request.origin.address;
    seen_.note(request.origin.address, services_.context.wall_now());
    co_return Status();
}

asio::awaitable<Status> NodeApiHandler::refresh_for(const NodeGrantRequest& request,
                                                    Time deadline) {
    if (shared_ == nullptr) co_return Status();
    service::DocumentKeys about =
        services_.replication.documents_of_spec(request.grant.uid, request.grant.ask);
    const auto failure = co_await shared_->refresh(std::move(about), deadline, {});
    if (failure.ok()) co_return Status();
    co_return service::not_known(failure);
}

/// Refreshes what the next grants of a report depend on. To be called before each step: while
/// others run, a change may begin that does not last.
asio::awaitable<Status> NodeApiHandler::refresh_for(const api::HoldReport& request,
                                                    std::size_t from, Time deadline) {
    if (shared_ == nullptr || from == request.held.size()) co_return Status();
    service::DocumentKeys about;
    const std::size_t end = service::end_of_step(request.held, from);
    for (std::size_t i = from; i < end; ++i) {
        const vault::CachedGrant& held = request.held[i];
        about.add(services_.replication.documents_of_spec(held.owner, held.ask));
    }
    co_return co_await shared_->refresh(std::move(about), deadline, kAgeForReports);
}

asio::awaitable<HttpResponse> NodeApiHandler::answer(NodeGrantRequest request,
                                                     api::IsGone is_gone) {
    const auto until = slurm::JobPlacement::Clock::now() +
                       std::chrono::milliseconds(request.grant.wait_milliseconds);
    // All steps of an attempt share the time that the node waits.
    auth::LookupAttempts attempts(request.patience);
    auto deadline = slurm::JobPlacement::Clock::now() + request.patience;
    co_await auth::await_name(request.grant.uid);
    while (true) {
        auto refusal = co_await check_placement(request, deadline);
        if (refusal.ok()) refusal = co_await refresh_for(request, deadline);
        if (!refusal.ok()) {
            co_return api::refused(
                service::grant_requests::deny(request.grant, request.node, std::move(refusal)));
        }
        // A node that has gone, or a job that was cancelled, is given nothing.
        if (is_gone()) co_return HttpResponse{204, "", ""};
        auto answer = attempts.run([&] {
            return services_.node_grants.grant_to_node(request.grant, request.node,
                                                       request.has_tag);
        });
        if (auth::is_pending(answer)) {
            co_await attempts.wait();
            continue;
        }
        const auto* wait = std::get_if<service::WaitForRun>(&answer);
        if (wait == nullptr) co_return answer_of(std::move(answer));
        if (waiters_.stopped()) {
            co_return api::refused({StatusCode::unavailable, "this hub is shutting down"});
        }
        if (slurm::JobPlacement::Clock::now() >= until) {
            co_return api::refused(
                services_.grants.deny_unpushed(request.grant, request.node, wait->run),
                api::kGrantDenied);
        }
        co_await waiters_.wait(wait->run, until);
        attempts = auth::LookupAttempts(request.patience);
        deadline = slurm::JobPlacement::Clock::now() + request.patience;
    }
}

}  // namespace secrets::hub
