// SPDX-License-Identifier: Apache-2.0
#include "agentd/node/hold_reporter.h"

#include "agentd/api/grant_body.h"

namespace secrets::node {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

/// Together with the pause less than the 30 s in which an end is to be known everywhere.
constexpr auto kPatience = milliseconds(1900);

}  // namespace

HoldReporter::HoldReporter(asio::io_context& loop, Supervisor& supervisor, HubClient& client,
                           RemoteGrants& grants, service::Services& services, NodeName node,
                           ReportIntervals pauses)
    : client_(client),
      grants_(grants),
      services_(services),
      node_(std::move(node)),
      pauses_(pauses),
      timer_(loop),
      random_(std::random_device()()) {
    supervisor.start("hold_reporter", [this] { return run(); });
}

void HoldReporter::stop() {
    stopped_ = true;
    timer_.cancel();
}

asio::awaitable<void> HoldReporter::run() {
    std::uniform_int_distribution<milliseconds::rep> pause(pauses_.shortest.count(),
                                                           pauses_.longest.count());
    while (!stopped_) {
        timer_.expires_after(milliseconds(pause(random_)));
        ErrorCode cancelled;
        co_await timer_.async_wait(into(cancelled));
        if (stopped_) co_return;
        co_await report();
    }
}

asio::awaitable<void> HoldReporter::report() {
    std::vector<vault::CachedGrant> held;
    for (const vault::CachedGrant* grant : services_.cached_grants.cached_grants())
        held.push_back(*grant);
    // What was granted and has ended since the last report a hub does not know of.
    if (grants_.take_granted()) informed_.insert(client_.preferred());
    std::string why;
    bool is_reported = false;
    const std::size_t first = client_.preferred();
    for (std::size_t i = 0; i < client_.hubs() && !stopped_; ++i) {
        const std::size_t hub = (first + i) % client_.hubs();
        if (held.empty() && !informed_.contains(hub)) continue;
        const auto failure = co_await tell_all(hub, !is_reported, held);
        if (failure.ok()) is_reported = true;
        if (!failure.ok()) why += (why.empty() ? "" : "; ") + failure.message();
    }
    if (stopped_) co_return;
    if (is_reported) trouble_.note("");
    if (!is_reported && !why.empty()) trouble_.note(why);
}

/// Reports to one hub, whose revocations apply only if `applies_revocations`. An agent of an
/// earlier version may have left more than a hub reads at once: then the hub counts this node as a
/// holder of the last part, but is asked about each.
asio::awaitable<Status> HoldReporter::tell_all(std::size_t hub, bool applies_revocations,
                                               Grants held) {
    for (const Grants part : api::report_parts(held)) {
        auto failure = co_await tell(hub, applies_revocations, part);
        if (!failure.ok()) co_return failure;
    }
    co_return Status();
}

asio::awaitable<Status> HoldReporter::tell(std::size_t hub, bool applies_revocations, Grants held) {
    net::HttpsRequest to_hub{
        "PUT", "/v1/nodes/" + node_.text() + "/holds", api::print_report(held), "", {}};
    const auto until = HubClient::Clock::now() + client_.share_of(kPatience);
    auto response = co_await client_.ask_hub(hub, std::move(to_hub), until);
    if (stopped_) co_return Status::failed("the agent is shutting down");
    if (!response.ok()) co_return response.status();
    const auto& answer = *response;
    // A hub that does not know what ended counts this node as a holder all the same.
    if (answer.status == 503) informed_.insert(hub);
    if (answer.status != 200) co_return Status::failed(answer.detail);
    if (held.empty()) {
        informed_.erase(hub);
    } else {
        informed_.insert(hub);
    }
    co_return applies_revocations ? take(held, answer.body.view().bytes()) : Status();
}

/// Wipes the grants that the hub revoked.
Status HoldReporter::take(Grants said, std::span<const std::byte> answer) {
    const auto revoked = api::parse_revoked(answer, said.size());
    if (!revoked) return revoked.status();
    for (const std::size_t which : *revoked) {
        // A newer grant for the same secret spec is a different grant.
        const auto* now = services_.cached_grants.find_cached_grant(
            {said[which].job, {}, said[which].owner, 0, said[which].ask});
        if (now != nullptr && now->tag == said[which].tag) {
            services_.cached_grants.revoke_cached_grant(said[which].job, said[which].ask);
        }
    }
    return Status();
}

}  // namespace secrets::node
