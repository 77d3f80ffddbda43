#include "agentd/cluster/holds_report.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "agentd/doors/grant_json.h"

namespace secrets::cluster {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

/// Nodes that were started together do not report together.
constexpr auto kShortestPause = milliseconds(20000);
constexpr auto kLongestPause = milliseconds(28000);

/// Together with the pause less than the 30 s in which an end is to be known everywhere.
constexpr auto kPatience = milliseconds(1900);

}  // namespace

HoldsReport::HoldsReport(asio::io_context& loop, HubClient& client, HubAsks& asks, desk::Desk& desk,
                         std::string node)
    : client_(client),
      asks_(asks),
      desk_(desk),
      node_(std::move(node)),
      timer_(loop),
      random_(std::random_device()()) {
    asio::co_spawn(loop, run(), asio::detached);
}

void HoldsReport::stop() {
    stopped_ = true;
    timer_.cancel();
}

asio::awaitable<void> HoldsReport::run() {
    std::uniform_int_distribution<milliseconds::rep> pause(kShortestPause.count(),
                                                           kLongestPause.count());
    while (!stopped_) {
        timer_.expires_after(milliseconds(pause(random_)));
        doors::ErrorCode cancelled;
        co_await timer_.async_wait(doors::into(cancelled));
        if (stopped_) co_return;
        co_await report();
    }
}

asio::awaitable<void> HoldsReport::report() {
    std::vector<vault::HubGrant> held;
    for (const vault::HubGrant* grant : desk_.hub_grants()) held.push_back(*grant);
    // What was granted and has ended since the last report the hub does not know of.
    if (asks_.take_granted()) said_something_ = true;
    if (held.empty() && !said_something_) co_return;
    HttpsRequest to_hub{"PUT", "/v1/nodes/" + node_ + "/holds", doors::print_report(held), "", {}};
    auto answer = co_await client_.ask(std::move(to_hub), HubClient::Clock::now() + kPatience);
    if (stopped_) co_return;
    if (const auto* error = std::get_if<Error>(&answer)) {
        trouble_.note(error->sentence);
        co_return;
    }
    const HttpsAnswer& from_hub = std::get<HttpsAnswer>(answer);
    if (from_hub.status != 200) {
        trouble_.note(from_hub.detail);
        co_return;
    }
    said_something_ = !held.empty();
    trouble_.note("");
    take(held, from_hub.body.view().bytes());
}

/// Wipes what the hub says is over.
void HoldsReport::take(const std::vector<vault::HubGrant>& said,
                       std::span<const std::byte> answer) {
    const auto revoked = doors::parse_revoked(answer, said.size());
    if (!revoked) return trouble_.note(revoked.error().sentence);
    for (const std::size_t which : *revoked) {
        // A newer grant of the same ask is another one.
        const auto* now =
            desk_.find_hub_grant({said[which].job, {}, said[which].owner, 0, said[which].ask});
        if (now != nullptr && now->tag == said[which].tag) {
            desk_.revoke_hub_grant(said[which].job, said[which].ask);
        }
    }
}

}  // namespace secrets::cluster
