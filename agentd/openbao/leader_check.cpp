// SPDX-License-Identifier: Apache-2.0
// Tells whether the server that reports itself as active leads the others.

#include "agentd/base/json_members.h"
#include "agentd/base/scope_exit.h"
#include "agentd/openbao/secret_json.h"
#include "agentd/openbao/server_pool.h"
#include "agentd/openbao/server_status.h"

namespace secrets::openbao {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using net::HttpsRequest;
using net::HttpsResponse;

/// Bounds the wait for a server's report of the leader, while the active server is only checked
/// again; a server that gave no report is then not asked for a while.
constexpr auto kReport = std::chrono::milliseconds(150);
constexpr auto kNoReport = std::chrono::seconds(5);

}  // namespace

/// Asks a server which one leads. Returns nothing if the server does not answer in time.
asio::awaitable<std::optional<ServerPool::LeaderReport>> ServerPool::ask_leader(
    Server& server, Clock::time_point deadline) {
    const HttpsRequest request = get_request("/v1/sys/leader");
    HttpsResponse answer;
    const auto failure = co_await ask_one(server, request, answer, deadline);
    if (!failure.ok()) server.no_report_until = Clock::now() + kNoReport;
    if (!failure.ok() || answer.status != 200) co_return std::nullopt;
    const json::value value = parse_secret(answer.body);
    const json::object* object = value.if_object();
    if (object == nullptr) co_return std::nullopt;
    co_return LeaderReport{is_true(object, "is_self"), text_or_empty(object, "leader_address"),
                           text_or_empty(object, "active_time")};
}

/// Tells whether other servers contradict a server that reports itself as active. OpenBao 2.7.2,
/// suspended for longer than an election takes, may report so for ever although its raft follows
/// another leader: it answers reads by what it has applied. Standby servers name the server that
/// took the lead last.
asio::awaitable<bool> ServerPool::is_contradicted(Server& server, bool is_known,
                                                  Clock::time_point deadline) {
    const auto own = co_await ask_leader(server, std::min(deadline, Clock::now() + kHealth));
    if (!own || own->leader.empty()) co_return false;
    const Clock::duration patience = is_known ? kReport : kHealth;
    std::size_t agreeing = 1;  // the server itself
    std::size_t contradicting = 0;
    for (Server& other : servers_) {
        const auto now = Clock::now();
        if (&other == &server || other.silent_until > now) continue;
        if (is_known && other.no_report_until > now) continue;
        const auto report = co_await ask_leader(other, std::min(deadline, now + patience));
        if (!report || report->leader.empty()) continue;
        const bool agrees = report->leader == own->leader;
        if (agrees) ++agreeing;
        // Of two servers that report themselves, the one that was elected later leads.
        if (!agrees && (!report->is_self || report->since > own->since)) ++contradicting;
    }
    if (contradicting < agreeing) co_return false;
    // The server's raft may lead again, which no standby server can know.
    const bool leads = co_await can_commit(server, deadline);
    co_return !leads;
}

/// Tells whether a server can commit a change itself, which takes most of its cluster.
asio::awaitable<bool> ServerPool::can_commit(Server& server, Clock::time_point deadline) {
    if (!token_) co_return false;
    HttpsRequest request = renewal_request();
    request.fields.emplace_back("X-Vault-No-Request-Forwarding", "1");
    HttpsResponse answer;
    const auto soon = std::min(deadline, Clock::now() + kHealth);
    const auto failure = co_await ask_one(server, request, answer, soon);
    co_return failure.ok() && answer.status == 200;
}

/// Tells whether a server is still active after its answer: a server that stepped down since it was
/// found answers as a standby server. One check serves all callers that began to wait before it was
/// sent.
asio::awaitable<bool> ServerPool::is_still_active(Server& server, Clock::time_point deadline) {
    const std::uint64_t next = server.checks + 1;
    while (server.last_check < next) {
        if (stopped_ || Clock::now() >= deadline) co_return false;
        if (server.last_check < server.checks) {
            co_await server.checked.wait(deadline);
            continue;
        }
        const std::uint64_t check = ++server.checks;
        const ScopeExit checked([&server, check] {
            server.last_check = check;
            server.checked.wake();
        });
        const HttpsRequest request = get_request("/v1/sys/health");
        HttpsResponse answer;
        const auto soon = std::min(deadline, Clock::now() + kHealth);
        const auto failure = co_await ask_one(server, request, answer, soon);
        if (!failure.ok()) {
            server.note_silence(failure, deadline);
        } else if (answer.status == 200) {
            server.active_in_check = check;
        } else {
            server.why = describe_health(answer.status);
        }
    }
    co_return server.active_in_check >= next;
}

}  // namespace secrets::openbao
