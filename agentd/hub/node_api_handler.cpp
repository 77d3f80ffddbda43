#include "agentd/hub/node_api_handler.h"

#include <unistd.h>

#include "agentd/api/grant_body.h"
#include "agentd/api/handlers.h"
#include "agentd/hub/origin_checks.h"
#include "common/base/names.h"

namespace secrets::cluster {
namespace {

namespace asio = boost::asio;
using desk::Reason;
using desk::Refusal;
using doors::GrantRequest;
using doors::HttpAnswer;
using view_wire::Verdict;

/// How long a report waits for Slurm, less than its node waits for the answer; and of how many of
/// its jobs it asks: of one that has just ended Slurm says nothing.
constexpr auto kPatienceForReports = std::chrono::milliseconds(600);
constexpr std::size_t kMostPlacesOfReport = 4;

/// How old what reports are answered from may be: thousands of nodes report of the same runs.
constexpr auto kAgeForReports = std::chrono::seconds(2);

std::optional<Refusal> refusal_of(const PlaceAnswer& answer, const GrantRequest& request) {
    const std::string job = "job " + std::to_string(request.ask.job.value);
    switch (answer.verdict) {
        case Verdict::runs_there:
            return std::nullopt;
        case Verdict::does_not_run:
            return Refusal{Reason::forbidden, job + " does not run, says slurmctld"};
        case Verdict::other_owner:
            return Refusal{Reason::forbidden, job + " is not of uid " +
                                                  std::to_string(request.ask.uid.value) +
                                                  ", says slurmctld"};
        case Verdict::other_node:
            return Refusal{Reason::forbidden,
                           job + " does not run on node " + quoted(request.node) +
                               ", says slurmctld (hub.node in the node's configuration is its name "
                               "in slurm.conf)"};
        case Verdict::other_address:
            return Refusal{Reason::forbidden, "node " + quoted(request.node) + " is not at " +
                                                  request.origin.address + ", says slurmctld"};
        case Verdict::is_node:  // no answer to a question about a job
        case Verdict::unknown:
            break;
    }
    return Refusal{Reason::unavailable,
                   "the hub could not find out whether " + job + " runs there: " + answer.why};
}

HttpAnswer answer_of(desk::NodeAnswer answer) {
    if (auto* granted = std::get_if<desk::NodeGranted>(&answer)) {
        HttpAnswer http{200, "application/octet-stream", ""};
        http.secret = std::move(granted->image);
        http.etag = std::move(granted->tag);
        http.note = std::move(granted->note);
        return http;
    }
    if (std::holds_alternative<desk::Unchanged>(answer)) return {304, "", ""};
    if (const auto* refusal = std::get_if<Refusal>(&answer)) return doors::refused(*refusal);
    return {204, "", ""};
}

}  // namespace

HubNodes::HubNodes(asio::io_context& loop, const Config& config, desk::Desk& desk,
                   doors::RunWaiters& waiters, doors::SharedStore* shared)
    : agents_(config.listen.agents),
      desk_(desk),
      places_(loop, config.view_socket),
      checks_(loop, config.listen, desk, places_, shared),
      waiters_(waiters),
      shared_(shared) {}

bool HubNodes::is_agent(const desk::Caller& caller) const {
    if (!caller.uid()) return false;
    return agents_.empty() ? *caller.uid() == Uid{geteuid()}
                           : desk::find_account(agents_) == caller.uid();
}

HttpAnswer HubNodes::grant(GrantRequest request) {
    HttpAnswer answer;
    answer.later = [this, request = std::move(request)](doors::IsGone is_gone) {
        return this->answer(request, std::move(is_gone));
    };
    return answer;
}

HttpAnswer HubNodes::report(doors::ReportRequest request) {
    HttpAnswer answer;
    answer.later = [this, request = std::move(request)](const doors::IsGone&) {
        return answer_report(request);
    };
    return answer;
}

asio::awaitable<HttpAnswer> HubNodes::answer_report(doors::ReportRequest request) {
    if (host_certificates_) {
        const auto stranger = why_not_of_host(request.origin, request.node);
        if (stranger) co_return doors::refused(*stranger);
    }
    const bool there = co_await is_there(request);
    const bool is_known = co_await refresh_for(request);
    auto revoked = desk_.report_of_node(request.node, request.held, there);
    if (!is_known) revoked.clear();
    co_return HttpAnswer{200, "application/json", doors::revoked_json(revoked)};
}

/// Whether the node is where it says: where it was when it was granted something, or where one of
/// its jobs runs.
asio::awaitable<bool> HubNodes::is_there(const doors::ReportRequest& request) {
    const auto known = addresses_.find(request.node);
    if (known != addresses_.end() && known->second == request.origin.address) co_return true;
    const auto deadline = Places::Clock::now() + kPatienceForReports;
    std::size_t tried = 0;
    for (const vault::HubGrant& held : request.held) {
        if (++tried > kMostPlacesOfReport) break;
        view_wire::Place place{held.job, held.owner, request.node, request.origin.address};
        const PlaceAnswer answer = co_await places_.ask(std::move(place), deadline);
        if (answer.verdict == Verdict::unknown) break;
        if (answer.verdict != Verdict::runs_there) continue;
        addresses_[request.node] = request.origin.address;
        co_return true;
    }
    co_return false;
}

/// Nothing where Slurm says that the job runs where the request comes from.
asio::awaitable<std::optional<Refusal>> HubNodes::why_not_there(const GrantRequest& request) {
    auto elsewhere = why_not_of_one_place(request.origin);
    if (elsewhere) co_return elsewhere;
    auto stranger = host_certificates_ ? why_not_of_host(request.origin, request.node)
                                       : std::optional<Refusal>();
    if (stranger) co_return stranger;
    const auto deadline = Places::Clock::now() + request.patience;
    // Made in a statement of its own: GCC 12 destroys such a temporary of a co_await twice.
    view_wire::Place place{request.ask.job, request.ask.uid, request.node, request.origin.address};
    const PlaceAnswer answer = co_await places_.ask(std::move(place), deadline);
    if (answer.verdict == Verdict::runs_there) {
        addresses_[request.node] = request.origin.address;
    }
    co_return refusal_of(answer, request);
}

asio::awaitable<std::optional<Refusal>> HubNodes::refresh_for(const GrantRequest& request) {
    if (shared_ == nullptr) co_return std::nullopt;
    desk::Subjects about = desk_.subjects_of_ask(request.ask.uid, request.ask.ask);
    const auto deadline = Places::Clock::now() + request.patience;
    const auto failure = co_await shared_->refresh(std::move(about), deadline, {});
    if (!failure) co_return std::nullopt;
    co_return doors::not_known(*failure);
}

/// Whether it is known what has become of what the node holds.
asio::awaitable<bool> HubNodes::refresh_for(const doors::ReportRequest& request) {
    if (shared_ == nullptr) co_return true;
    desk::Subjects about;
    for (const vault::HubGrant& held : request.held) {
        about.add(desk_.subjects_of_ask(held.owner, held.ask));
    }
    const auto deadline = Places::Clock::now() + kPatienceForReports;
    const auto failure = co_await shared_->refresh(std::move(about), deadline, kAgeForReports);
    co_return !failure;
}

asio::awaitable<HttpAnswer> HubNodes::answer(GrantRequest request, doors::IsGone is_gone) {
    const auto until =
        Places::Clock::now() + std::chrono::milliseconds(request.ask.wait_milliseconds);
    while (true) {
        auto refusal = co_await why_not_there(request);
        if (!refusal) refusal = co_await refresh_for(request);
        if (refusal) {
            co_return doors::refused(
                desk_.refuse_ask(request.ask, request.node, std::move(*refusal)));
        }
        // A node that has gone, or a job that was cancelled, is given nothing.
        if (is_gone()) co_return HttpAnswer{204, "", ""};
        auto answer = desk_.ask_of_node(request.ask, request.node, request.has_tag);
        const auto* wait = std::get_if<desk::WaitFor>(&answer);
        if (wait == nullptr) co_return answer_of(std::move(answer));
        if (waiters_.stopped()) {
            co_return doors::refused({Reason::unavailable, "this hub is about to end"});
        }
        if (Places::Clock::now() >= until) {
            co_return doors::refused(desk_.never_pushed(request.ask, request.node, wait->run));
        }
        co_await waiters_.wait(wait->run, until);
    }
}

}  // namespace secrets::cluster
