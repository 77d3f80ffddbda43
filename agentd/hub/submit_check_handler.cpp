// SPDX-License-Identifier: Apache-2.0
#include "agentd/hub/submit_check_handler.h"

#include "agentd/api/check_body.h"
#include "agentd/api/handlers.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/hub/origin_checks.h"
#include "common/base/names.h"

namespace secrets::hub {
namespace {

namespace asio = boost::asio;
using api::HttpResponse;
using api::SubmitCheckRequest;
using slurm_query::Verdict;

/// Limit for Slurm's answer about a node: the submitting command waits a second in all.
constexpr auto kPatience = std::chrono::milliseconds(600);

}  // namespace

HttpResponse SubmitCheckHandler::check(SubmitCheckRequest request) {
    HttpResponse answer;
    answer.later = [this, request = std::move(request)](const api::IsGone&) {
        return this->answer(request);
    };
    return answer;
}

asio::awaitable<HttpResponse> SubmitCheckHandler::answer(SubmitCheckRequest request) {
    const auto refusal = co_await check_requester(request);
    if (!refusal.ok()) {
        if (refusal.code() == StatusCode::permission_denied)
            refusals_.note(request.origin.address, refusal.message());
        co_return api::refused(refusal);
    }
    seen_.note(request.origin.address, services_.context.wall_now());
    co_await auth::await_name(request.uid);
    const auto deadline = slurm::JobPlacement::Clock::now() + kPatience;
    const auth::LookupAttempts attempts(kPatience);
    while (true) {
        if (shared_ != nullptr) {
            service::DocumentKeys about =
                services_.replication.documents_of_spec(request.uid, request.spec);
            const auto failure = co_await shared_->refresh(std::move(about), deadline, {});
            if (!failure.ok()) co_return api::refused(service::not_known(failure));
        }
        const Status verdict = attempts.run(
            [&] { return services_.grants.check_submission(request.uid, request.spec); });
        if (!auth::is_pending(verdict)) {
            co_return HttpResponse{200, "application/json", api::verdict_json(verdict)};
        }
        co_await attempts.wait();
    }
}

asio::awaitable<Status> SubmitCheckHandler::check_requester(const SubmitCheckRequest& request) {
    const api::Origin& origin = request.origin;
    auto stranger = host_certificates_ ? check_host_certificate(origin, request.node) : Status();
    if (!stranger.ok()) co_return stranger;
    const bool same_origin = has_same_origin(origin);
    const auto listed = login_hosts_.has(origin.address);
    if (listed == true && same_origin) co_return Status();
    if (login_hosts_.has_both(origin.address, origin.munge_address)) co_return Status();
    const auto deadline = slurm::JobPlacement::Clock::now() + kPatience;
    slurm_query::Placement placement{slurm_query::kNoJob, request.uid, request.node,
                                     origin.address};
    slurm::PlacementAnswer answer = co_await placements_.ask(placement, deadline);
    if (answer.verdict == Verdict::is_node && !same_origin) {
        placement.address = origin.munge_address;
        answer = co_await placements_.ask(placement, deadline);
        if (answer.verdict == Verdict::other_address) {
            co_return created_elsewhere(origin, "node " + in_quotes(request.node));
        }
    }
    if (answer.verdict == Verdict::is_node) co_return Status();
    if (answer.verdict == Verdict::unknown || !listed) {
        co_return Status(StatusCode::unavailable,
                         "the hub cannot identify the host at " + origin.address + " in time" +
                             (answer.why.empty() ? "" : ": " + answer.why));
    }
    if (listed == true) co_return created_elsewhere(origin, "the host");
    co_return Status(StatusCode::permission_denied,
                     "the hub checks submissions only for nodes and for hosts in its "
                     "listen.login_hosts; " +
                         origin.address + " is neither the address of node " +
                         in_quotes(request.node) + " nor of one of these hosts");
}

}  // namespace secrets::hub
