#include "agentd/cluster/hub_client.h"

#include "agentd/at_end.h"
#include "agentd/digest.h"
#include "common/hub_request.h"

namespace secrets::cluster {
namespace {

namespace asio = boost::asio;
using doors::ErrorCode;
using doors::into;

/// For a connection and its handshake, where there is another hub to turn to.
constexpr auto kConnect = std::chrono::milliseconds(1500);

constexpr auto kFirstPause = std::chrono::milliseconds(100);
constexpr auto kLongestPause = std::chrono::milliseconds(1600);

/// What of a request's time is left for finding another hub, where there is one.
constexpr auto kForOthers = std::chrono::milliseconds(2000);

constexpr std::size_t kMaxIdle = 2;  ///< kept connections to one hub

}  // namespace

HubClient::HubClient(asio::io_context& loop, const Hub& hub,
                     std::unique_ptr<asio::ssl::context> context)
    : loop_(loop),
      urls_(hub.urls),
      context_(std::move(context)),
      hubs_(urls_.size()),
      random_(std::random_device()()) {}

void HubClient::stop() {
    stopped_ = true;
    for (HubState& hub : hubs_) hub.idle.clear();
    for (HttpsConnection* connection : busy_) connection->cancel();
    for (asio::steady_timer* timer : pauses_) timer->cancel();
}

asio::awaitable<std::variant<HttpsAnswer, Error>> HubClient::ask(HttpsRequest request,
                                                                 Clock::time_point deadline) {
    std::string why;
    std::optional<HttpsAnswer> busy;
    for (unsigned round = 0; !stopped_; ++round) {
        why.clear();
        const std::size_t first = preferred_;
        for (std::size_t i = 0; i < urls_.size() && !stopped_; ++i) {
            const std::size_t which = (first + i) % urls_.size();
            HttpsAnswer answer;
            const auto failure = co_await ask_one(which, request, answer, deadline);
            if (failure) {
                why += (why.empty() ? "" : "; ") + urls_[which].text + ": " + failure->sentence;
                continue;
            }
            preferred_ = which;
            if (answer.status != 503) co_return answer;
            busy = std::move(answer);
        }
        const auto time = pause_after(round);
        if (Clock::now() + time >= deadline) break;
        co_await pause(time);
    }
    if (busy) co_return std::move(*busy);
    co_return Error{stopped_ ? "the agent is about to end" : std::move(why)};
}

/// On a connection that is kept; where that breaks, on a new one.
asio::awaitable<Failure> HubClient::ask_one(std::size_t which, const HttpsRequest& request,
                                            HttpsAnswer& answer, Clock::time_point deadline) {
    HubState& hub = hubs_[which];
    while (true) {
        std::unique_ptr<HttpsConnection> connection;
        while (!hub.idle.empty() && !connection) {
            connection = std::move(hub.idle.back());
            hub.idle.pop_back();
            if (!connection->is_alive()) connection.reset();
        }
        const bool is_new = !connection;
        if (is_new) connection = std::make_unique<HttpsConnection>(loop_, *context_);
        const auto failure = co_await ask_on(*connection, which, is_new, request, answer, deadline);
        if (!failure) {
            hub.session = connection->session();
            const bool keep = !stopped_ && hub.idle.size() < kMaxIdle && connection->is_alive();
            if (keep) hub.idle.push_back(std::move(connection));
            co_return std::nullopt;
        }
        if (is_new || stopped_ || Clock::now() >= deadline) co_return failure;
    }
}

asio::awaitable<Failure> HubClient::ask_on(HttpsConnection& connection, std::size_t which,
                                           bool is_new, const HttpsRequest& request,
                                           HttpsAnswer& answer, Clock::time_point deadline) {
    busy_.insert(&connection);
    const AtEnd not_busy([this, &connection] { busy_.erase(&connection); });
    const HttpsUrl& url = urls_[which];
    if (is_new) {
        const auto failure = co_await reach(connection, which, deadline);
        if (failure) co_return failure;
    }
    // A credential is good for one request: munged on the hub refuses it a second time.
    const Digest digest = digest_of(std::as_bytes(std::span(request.body)));
    // Made in a statement of its own: GCC 12 destroys such a temporary of a co_await twice.
    const HubRequest made_for{url.host, request.method, request.target, hexadecimal(digest)};
    auto credential = co_await munge_.encode(print_hub_request(made_for));
    if (!credential) co_return credential.error();
    const std::string authorization = "Munge " + *credential;
    co_return co_await connection.exchange(url, request, authorization, answer,
                                           deadline + request.wait);
}

asio::awaitable<Failure> HubClient::reach(HttpsConnection& connection, std::size_t which,
                                          Clock::time_point deadline) {
    const auto soon = urls_.size() > 1 ? std::min(deadline, Clock::now() + kConnect) : deadline;
    TlsSession session = copy_of(hubs_[which].session.get());
    co_return co_await connection.open(urls_[which], std::move(session), soon);
}

asio::awaitable<std::variant<HttpsAnswer, HubClient::Moved, Error>> HubClient::pass_on(
    HttpsRequest request, Clock::time_point deadline) {
    if (stopped_) co_return Error{"the agent is about to end"};
    const std::size_t first = preferred_;
    const auto soon = urls_.size() > 1 ? deadline - kForOthers : deadline;
    HttpsAnswer answer;
    auto failure = co_await send_once(first, request, answer, soon);
    if (!failure) co_return answer;
    if (preferred_ != first) co_return Moved{};
    std::string why = urls_[first].text + ": " + failure->sentence;
    for (std::size_t i = 1; i < urls_.size() && !stopped_; ++i) {
        const std::size_t which = (first + i) % urls_.size();
        HttpsConnection connection(loop_, *context_);
        busy_.insert(&connection);
        const AtEnd not_busy([this, &connection] { busy_.erase(&connection); });
        failure = co_await reach(connection, which, deadline);
        if (!failure) {
            preferred_ = which;
            co_return Moved{};
        }
        why += "; " + urls_[which].text + ": " + failure->sentence;
    }
    co_return Error{stopped_ ? "the agent is about to end" : std::move(why)};
}

/// On a connection of its own: one that was kept may break when the hub has seen the request.
asio::awaitable<Failure> HubClient::send_once(std::size_t which, const HttpsRequest& request,
                                              HttpsAnswer& answer, Clock::time_point deadline) {
    HttpsConnection connection(loop_, *context_);
    busy_.insert(&connection);
    const AtEnd not_busy([this, &connection] { busy_.erase(&connection); });
    auto failure = co_await reach(connection, which, deadline);
    if (failure) co_return failure;
    failure = co_await connection.exchange(urls_[which], request, request.authorization, answer,
                                           deadline);
    if (!failure) hubs_[which].session = connection.session();
    co_return failure;
}

asio::awaitable<void> HubClient::pause(Clock::duration duration) {
    asio::steady_timer timer(loop_, duration);
    pauses_.insert(&timer);
    const AtEnd over([this, &timer] { pauses_.erase(&timer); });
    ErrorCode cancelled;
    co_await timer.async_wait(into(cancelled));
}

/// Between a half of the round's pause and all of it.
HubClient::Clock::duration HubClient::pause_after(unsigned round) {
    const auto pause =
        std::min<Clock::duration>(kFirstPause * (1U << std::min(round, 10U)), kLongestPause);
    return Clock::duration(
        std::uniform_int_distribution<Clock::rep>(pause.count() / 2, pause.count())(random_));
}

}  // namespace secrets::cluster
