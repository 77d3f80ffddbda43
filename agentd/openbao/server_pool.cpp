// SPDX-License-Identifier: Apache-2.0
// Chooses the server for a request. leader_check.cpp tells whether the server leads,
// approle_login.cpp logs in.

#include "agentd/openbao/server_pool.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/base/json_members.h"
#include "agentd/base/scope_exit.h"
#include "agentd/base/spawn_request.h"
#include "agentd/openbao/secret_json.h"
#include "agentd/openbao/server_status.h"
#include "common/base/names.h"
#include "common/base/text_as.h"

namespace secrets::openbao {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using net::HttpsRequest;
using net::HttpsResponse;

/// Time for one server's answer, after which another server is tried. OpenBao answers in
/// milliseconds, unless it is about to lose its leader.
constexpr auto kOneTry = std::chrono::milliseconds(1000);

/// How old the finding that a server is the active one, or that none is, may be when a request is
/// sent.
constexpr auto kLookAgain = std::chrono::seconds(1);

/// How long a server that gave no answer is not checked: while a server is frozen, each check would
/// last as long as its timeout.
constexpr auto kSilence = std::chrono::seconds(1);

constexpr auto kFirstPause = std::chrono::milliseconds(50);
constexpr auto kLongestPause = std::chrono::milliseconds(1000);

constexpr std::size_t kMostAtOnce = 16;  ///< concurrent requests to one server

/// Tells whether a server may have made a change that it did not report as made: the answer was
/// lost (exchange()), or the server lost its leader or its storage in the middle.
bool may_be_done(const Status& failure, const HttpsResponse& answer) {
    if (!failure.ok()) return failure.code() == StatusCode::unavailable;
    return answer.status >= 500 && answer.status != 503;
}

/// Tells whether a change was made. Only the active server makes one: other servers forward it.
bool is_done(const HttpsRequest& request, const HttpsResponse& answer) {
    return request.method != "GET" && answer.status < 300;
}

constexpr std::size_t kMaxErrors = 300;  ///< bytes of OpenBao's errors that are shown

/// Tells whether a server says that another one must answer, or that it can't answer now. A request
/// that is too large is so for all servers, and has status 500, too.
bool is_elsewhere(const HttpsResponse& answer) {
    const unsigned status = answer.status;
    const bool seems_so = status >= 500 || status == 307 || status == 412 || status == 429 ||
                          status == 472 || status == 473;
    return seems_so && !is_too_large(answer);
}

}  // namespace

std::string errors_in(const HttpsResponse& answer) {
    const json::value value = parse_secret(answer.body);
    const json::array* errors = find_array(value.if_object(), "errors");
    std::string text;
    if (errors != nullptr) {
        for (const json::value& error : *errors) {
            if (!error.is_string()) continue;
            text += (text.empty() ? "" : "; ") + text_as<std::string>(error.get_string());
        }
    }
    if (text.empty()) text = "status " + std::to_string(answer.status);
    return printable_ascii(text.substr(0, kMaxErrors));
}

bool is_too_large(const HttpsResponse& answer) {
    return answer.status == 413 || errors_in(answer).find("too large") != std::string::npos;
}

ServerPool::Server::Server(asio::io_context& loop, asio::ssl::context& context, HttpsUrl url)
    : peer(loop, context, std::move(url), kMostAtOnce, nullptr) {}

ServerPool::ServerPool(asio::io_context& loop, Supervisor& supervisor, const OpenBao& config,
                       std::unique_ptr<asio::ssl::context> context)
    : loop_(loop),
      config_(config),
      context_(std::move(context)),
      pauses_(kFirstPause, kLongestPause),
      lasting_("OpenBao is unavailable; data that hubs share cannot be read or changed: ",
               "OpenBao is available again") {
    for (const HttpsUrl& url : config_.urls) servers_.emplace_back(loop, *context_, url);
    supervisor.start("openbao_login", [this] { return renew_logins(); });
}

void ServerPool::Server::note_silence(const Status& error, Clock::time_point deadline) {
    const bool is_cut_short = Clock::now() >= deadline;
    if (!is_cut_short) silent_until = Clock::now() + kSilence;
    if (!is_cut_short || why.empty()) why = error.message();
}

void ServerPool::stop_renewing() {
    renews_ = false;
    renewals_.wake();
}

void ServerPool::stop() {
    if (stopped_) return;
    stopped_ = true;
    stop_renewing();
    for (Server& server : servers_) server.peer.stop();
    if (token_) {
        spawn_request(loop_, revoke(), [](const std::string& why) {
            audit::report_problem(
                "cannot revoke the agent's OpenBao token, which stays valid until its lease "
                "ends: " +
                why);
        });
    }
    pauses_.end();
    changes_.wake();
}

void ServerPool::note(const std::string& trouble) {
    if (stopped_) return;
    trouble_ = trouble;
    lasting_.note(trouble);
}

asio::awaitable<ServerPool::Result> ServerPool::ask(HttpsRequest request,
                                                    Clock::time_point deadline) {
    auto response = co_await ask_as_role(request, deadline);
    if (!response.ok()) {
        note(response.status().message());
    } else if (response->status == 403) {
        std::string refused = "OpenBao denied a request of the AppRole: " + errors_in(*response) +
                              "; grant its policy the rights in docs/admin.md";
        note(refused);
        response = Status::failed(std::move(refused));
    }
    co_return response;
}

/// Sends a request with the AppRole's token. A token that OpenBao does not know any more, as it was
/// revoked or has ended, is replaced, once. A known token lacks the right, and so would the next.
asio::awaitable<ServerPool::Result> ServerPool::ask_as_role(HttpsRequest& request,
                                                            Clock::time_point deadline) {
    bool again = true;
    while (true) {
        auto failure = co_await log_in(deadline);
        if (!failure.ok()) co_return failure;
        const std::uint64_t login = logins_;
        authorize(request);
        auto response = co_await ask_any(request, deadline);
        if (!response.ok() || response->status != 403 || !again) co_return response;
        const bool is_known = co_await is_token_known(request.token, deadline);
        if (is_known) co_return response;
        again = false;
        if (login == logins_) token_.reset();
    }
}

/// Looks up the token of a denied request: there may be another token by now.
asio::awaitable<bool> ServerPool::is_token_known(net::SecretField token,
                                                 Clock::time_point deadline) {
    HttpsRequest request = request_as_role("GET", "/v1/auth/token/lookup-self");
    request.token = std::move(token);
    const auto response = co_await ask_any(request, deadline);
    co_return response.ok() && response->status == 200;
}

HttpsRequest ServerPool::request_as_role(const char* method, std::string target) const {
    HttpsRequest request;
    request.method = method;
    request.target = std::move(target);
    authorize(request);
    return request;
}

void ServerPool::authorize(HttpsRequest& request) const {
    request.token = {"X-Vault-Token", token_};
    request.fields.clear();
    if (config_.name_space.empty()) return;
    request.fields.emplace_back("X-Vault-Namespace", config_.name_space);
}

asio::awaitable<ServerPool::Result> ServerPool::ask_any(const HttpsRequest& request,
                                                        Clock::time_point deadline) {
    bool is_in_doubt = false;
    for (unsigned round = 0; !stopped_; ++round) {
        // A standby server may lag behind, and is used only as long as there is no active one.
        const bool is_old = looked_at_ + kLookAgain < Clock::now();
        if (is_old || !is_active_) co_await find_active(deadline);
        Server& server = servers_[preferred_];
        Answer answer;
        answer.may_lag = !is_active_;
        const auto soon = std::min(deadline, Clock::now() + kOneTry);
        auto failure = co_await ask_one(server, request, answer, soon);
        if (failure.ok() && !is_elsewhere(answer)) {
            // A standby server reads, and denies a change, by what it has applied so far. Only a
            // read is answered without the active server, and marked.
            const bool is_read = request.method == "GET";
            if (is_done(request, answer) || (is_read && answer.may_lag)) co_return answer;
            bool is_active = !answer.may_lag;
            if (is_active) is_active = co_await is_still_active(server, deadline);
            if (is_active) co_return answer;
        } else if (!failure.ok()) {
            server.note_silence(failure, deadline);
        } else {
            server.why = answer.status == 307 ? describe_health(429) : errors_in(answer);
        }
        is_in_doubt |= request.method != "GET" && may_be_done(failure, answer);
        is_active_ = false;
        // A server that has lost its followers may go on to report itself as active: it is checked
        // last.
        if (&server == &servers_[preferred_]) preferred_ = (preferred_ + 1) % servers_.size();
        const auto pause = pauses_.after(round);
        if (Clock::now() + pause >= deadline) break;
        co_await pauses_.sleep(pause);
    }
    std::string why = stopped_ ? "the agent is shutting down" : failures_of_servers();
    co_return Status(is_in_doubt ? StatusCode::unavailable : StatusCode::failed, std::move(why));
}

asio::awaitable<Status> ServerPool::ask_one(Server& server, const HttpsRequest& request,
                                            HttpsResponse& answer, Clock::time_point deadline) {
    while (server.busy >= kMostAtOnce) {
        if (stopped_ || Clock::now() >= deadline)
            co_return Status::failed("it has too many concurrent requests");
        co_await changes_.wait(deadline);
    }
    ++server.busy;
    const ScopeExit less_busy([this, &server] {
        --server.busy;
        changes_.wake();
    });
    const net::HttpsClient::Until until{deadline, deadline};
    co_return co_await server.peer.ask(request, answer, until);
}

/// Finds the active server, beginning with the preferred one. Chooses a standby server while none
/// is active: a standby server of OpenBao answers reads.
asio::awaitable<void> ServerPool::find_active(Clock::time_point deadline) {
    if (is_finding_) {
        while (is_finding_ && !stopped_ && Clock::now() < deadline)
            co_await changes_.wait(deadline);
        co_return;
    }
    is_finding_ = true;
    const ScopeExit found([this] {
        is_finding_ = false;
        changes_.wake();
    });
    const std::size_t first = preferred_;
    const bool was_active = is_active_;
    is_active_ = false;
    std::optional<std::size_t> standby;
    for (std::size_t i = 0; i < servers_.size() && !stopped_ && Clock::now() < deadline; ++i) {
        const std::size_t which = (first + i) % servers_.size();
        Server& server = servers_[which];
        if (server.silent_until > Clock::now()) continue;
        const HttpsRequest request = get_request("/v1/sys/health");
        HttpsResponse answer;
        const auto soon = std::min(deadline, Clock::now() + kHealth);
        auto failure = co_await ask_one(server, request, answer, soon);
        if (!failure.ok()) {
            server.note_silence(failure, deadline);
            continue;
        }
        if (answer.status == 200) {
            const bool is_known = was_active && which == first;
            const bool is_wrong = co_await is_contradicted(server, is_known, deadline);
            // Others had no time to contradict the server.
            if (Clock::now() >= deadline) break;
            if (!is_wrong) {
                server.why.clear();
                preferred_ = which;
                is_active_ = true;
                looked_at_ = Clock::now();
                co_return;
            }
            server.why = "it reports itself as active, but other servers name another leader";
        } else {
            server.why = describe_health(answer.status);
        }
        if ((answer.status == 200 || answer.status == 429) && !standby) standby = which;
    }
    if (standby) preferred_ = *standby;
    looked_at_ = Clock::now();
}

std::string ServerPool::failures_of_servers() const {
    std::string text;
    for (const Server& server : servers_) {
        if (server.why.empty()) continue;
        text += (text.empty() ? "" : "; ") + server.peer.url().text + ": " + server.why;
    }
    return "OpenBao: " +
           (text.empty() ? "deadline exceeded before a server could be contacted" : text);
}

}  // namespace secrets::openbao
