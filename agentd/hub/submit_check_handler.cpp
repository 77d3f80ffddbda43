#include "agentd/hub/submit_check_handler.h"

#include "agentd/api/check_body.h"
#include "agentd/api/handlers.h"
#include "agentd/auth/user_database.h"
#include "agentd/hub/origin_checks.h"
#include "common/base/names.h"

namespace secrets::hub {
namespace {

namespace asio = boost::asio;
using api::HttpResponse;
using api::SubmitCheckRequest;
using service::Reason;
using service::Refusal;
using slurm_query::Verdict;

/// For Slurm's word on a node: the command that submits waits a second in all.
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
    const auto refusal = co_await why_not_from_there(request);
    if (refusal) {
        if (refusal->reason == Reason::forbidden)
            refusals_.note(request.origin.address, refusal->sentence);
        co_return api::refused(*refusal);
    }
    if (shared_ != nullptr) {
        service::DocumentKeys about = desk_.documents_of_spec(request.uid, request.ask);
        const auto failure = co_await shared_->refresh(
            std::move(about), slurm::JobPlacement::Clock::now() + kPatience, {});
        if (failure) co_return api::refused(service::not_known(*failure));
    }
    HttpResponse answer{200, "application/json", ""};
    try {
        answer.body = api::verdict_json(desk_.check_submission(request.uid, request.ask));
    } catch (const auth::UserDatabaseUnavailable& error) {
        answer = api::refused({Reason::unavailable, error.what()});
    }
    co_return answer;
}

asio::awaitable<std::optional<Refusal>> SubmitCheckHandler::why_not_from_there(
    const SubmitCheckRequest& request) {
    const api::Origin& origin = request.origin;
    auto elsewhere = why_not_of_one_place(origin);
    if (elsewhere) co_return elsewhere;
    auto stranger =
        host_certificates_ ? why_not_of_host(origin, request.node) : std::optional<Refusal>();
    if (stranger) co_return stranger;
    const auto listed = login_hosts_.has(origin.address);
    if (listed == true) co_return std::nullopt;
    const auto deadline = slurm::JobPlacement::Clock::now() + kPatience;
    slurm_query::Placement place{slurm_query::kNoJob, request.uid, request.node, origin.address};
    const slurm::PlacementAnswer told = co_await places_.ask(std::move(place), deadline);
    if (told.verdict == Verdict::is_node) co_return std::nullopt;
    if (told.verdict == Verdict::unknown || !listed) {
        co_return Refusal{Reason::unavailable,
                          "the hub could not find out in time what host is at " + origin.address};
    }
    co_return Refusal{Reason::forbidden,
                      "checks of what users submit are answered to nodes and to hosts in "
                      "listen.login_hosts of the hub, and " +
                          origin.address + " is neither the address of node " +
                          quoted(request.node) + " nor of one of those"};
}

}  // namespace secrets::hub
