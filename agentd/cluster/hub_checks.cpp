#include "agentd/cluster/hub_checks.h"

#include <utility>

#include "agentd/audit/audit.h"
#include "agentd/doors/check_json.h"

namespace secrets::cluster {
namespace {

namespace asio = boost::asio;

/// Less than the second that a command which submits waits.
constexpr auto kPatience = std::chrono::milliseconds(900);

}  // namespace

asio::awaitable<std::string> HubChecks::why_not_submit(Uid uid, std::string ask) {
    const doors::SubmissionCheck check{uid, std::move(ask), node_};
    ToHub request{"POST", "/v1/checks", doors::print_check(check)};
    const auto told = co_await client_.ask(std::move(request), HubClient::Clock::now() + kPatience);
    const auto* answer = std::get_if<FromHub>(&told);
    if (answer == nullptr) co_return "";
    note(answer->status == 403 ? answer->detail : "");
    if (answer->status != 200) co_return "";
    co_return doors::sentence_in_verdict(answer->body.view().bytes());
}

/// Written down when it changes.
void HubChecks::note(const std::string& why_refused) {
    const bool was_refused = std::exchange(is_refused_, !why_refused.empty());
    if (is_refused_ && !was_refused) {
        audit::trouble("jobs are submitted from here unchecked: the hub says: " + why_refused);
    }
    if (was_refused && !is_refused_) audit::mended("the hub checks what is submitted from here");
}

}  // namespace secrets::cluster
