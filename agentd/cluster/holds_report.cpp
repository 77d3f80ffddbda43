#include "agentd/cluster/holds_report.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>

#include "agentd/audit/audit.h"

namespace secrets::cluster {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using std::chrono::milliseconds;

/// Nodes that were started together do not report together.
constexpr auto kShortestPause = milliseconds(20000);
constexpr auto kLongestPause = milliseconds(28000);

/// Together with the pause less than the 30 s in which an end is to be known everywhere.
constexpr auto kPatience = milliseconds(1900);

std::string body_of(const std::vector<vault::HubGrant>& held) {
    json::array list;
    for (const vault::HubGrant& grant : held) {
        list.push_back({{"job", grant.job.value},
                        {"uid", static_cast<std::uint32_t>(grant.owner.value)},
                        {"ask", grant.ask},
                        {"tag", grant.tag}});
    }
    return json::serialize(json::object{{"holds", std::move(list)}});
}

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
    ToHub to_hub{"PUT", "/v1/nodes/" + node_ + "/holds", body_of(held), "", {}};
    auto answer = co_await client_.ask(std::move(to_hub), HubClient::Clock::now() + kPatience);
    if (stopped_) co_return;
    if (const auto* error = std::get_if<Error>(&answer)) {
        note(error->sentence);
        co_return;
    }
    const FromHub& from_hub = std::get<FromHub>(answer);
    if (from_hub.status != 200) {
        note(from_hub.detail);
        co_return;
    }
    said_something_ = !held.empty();
    note("");
    take(held, from_hub.body.view().bytes());
}

/// Wipes what the hub says is over.
void HoldsReport::take(const std::vector<vault::HubGrant>& said,
                       std::span<const std::byte> answer) {
    json::error_code error;
    const std::string_view text(reinterpret_cast<const char*>(answer.data()), answer.size());
    const json::value value = json::parse(text, error);
    const json::object* object = error ? nullptr : value.if_object();
    const json::value* revoked = object == nullptr ? nullptr : object->if_contains("revoked");
    if (revoked == nullptr || !revoked->is_array()) return note("the hub's answer is malformed");
    for (const json::value& place : revoked->get_array()) {
        const std::int64_t* number = place.if_int64();
        if (number == nullptr || *number < 0) continue;
        const auto which = static_cast<std::size_t>(*number);
        if (which >= said.size()) continue;
        // A newer grant of the same ask is another one.
        const auto* now =
            desk_.find_hub_grant({said[which].job, {}, said[which].owner, 0, said[which].ask});
        if (now != nullptr && now->tag == said[which].tag) {
            desk_.revoke_hub_grant(said[which].job, said[which].ask);
        }
    }
}

/// Writes down when trouble begins and when it is over.
void HoldsReport::note(const std::string& trouble) {
    if (trouble.empty() == !in_trouble_) return;
    in_trouble_ = !trouble.empty();
    if (in_trouble_) {
        audit::trouble("no hub hears what is held here, nor says what of it is over: " + trouble);
    } else {
        audit::mended("a hub hears again what is held here");
    }
}

}  // namespace secrets::cluster
