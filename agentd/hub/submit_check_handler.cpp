#include "agentd/hub/submit_check_handler.h"

#include "agentd/api/check_body.h"
#include "agentd/api/handlers.h"
#include "agentd/auth/user_database.h"
#include "agentd/hub/origin_checks.h"
#include "common/base/names.h"

namespace secrets::cluster {
namespace {

namespace asio = boost::asio;
using desk::Reason;
using desk::Refusal;
using doors::HttpAnswer;
using doors::SubmissionCheck;
using view_wire::Verdict;

/// For Slurm's word on a node: the command that submits waits a second in all.
constexpr auto kPatience = std::chrono::milliseconds(600);

}  // namespace

HttpAnswer SubmissionChecks::check(SubmissionCheck request) {
    HttpAnswer answer;
    answer.later = [this, request = std::move(request)](const doors::IsGone&) {
        return this->answer(request);
    };
    return answer;
}

asio::awaitable<HttpAnswer> SubmissionChecks::answer(SubmissionCheck request) {
    const auto refusal = co_await why_not_from_there(request);
    if (refusal) {
        if (refusal->reason == Reason::forbidden)
            refusals_.note(request.origin.address, refusal->sentence);
        co_return doors::refused(*refusal);
    }
    if (shared_ != nullptr) {
        desk::Subjects about = desk_.subjects_of_ask(request.uid, request.ask);
        const auto failure =
            co_await shared_->refresh(std::move(about), Places::Clock::now() + kPatience, {});
        if (failure) co_return doors::refused(doors::not_known(*failure));
    }
    HttpAnswer answer{200, "application/json", ""};
    try {
        answer.body = doors::verdict_json(desk_.check_submission(request.uid, request.ask));
    } catch (const desk::AccountsUnavailable& error) {
        answer = doors::refused({Reason::unavailable, error.what()});
    }
    co_return answer;
}

asio::awaitable<std::optional<Refusal>> SubmissionChecks::why_not_from_there(
    const SubmissionCheck& request) {
    const doors::Origin& origin = request.origin;
    auto elsewhere = why_not_of_one_place(origin);
    if (elsewhere) co_return elsewhere;
    auto stranger =
        host_certificates_ ? why_not_of_host(origin, request.node) : std::optional<Refusal>();
    if (stranger) co_return stranger;
    const auto listed = login_hosts_.has(origin.address);
    if (listed == true) co_return std::nullopt;
    const auto deadline = Places::Clock::now() + kPatience;
    view_wire::Place place{view_wire::kNoJob, request.uid, request.node, origin.address};
    const PlaceAnswer told = co_await places_.ask(std::move(place), deadline);
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

}  // namespace secrets::cluster
