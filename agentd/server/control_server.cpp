// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/control_server.h"

#include <algorithm>

#include "agentd/api/handlers.h"
#include "agentd/audit/audit_log.h"
#include "agentd/base/scope_exit.h"
#include "agentd/base/spawn_request.h"
#include "agentd/server/fair_share.h"

namespace secrets::server {
namespace {

using Local = asio::local::stream_protocol;

constexpr std::size_t kMaxConnections = 1024;
constexpr std::size_t kOfRoot = 16;                ///< in addition to these, for root only
constexpr std::size_t kMaxConnectionsOfOne = 128;  ///< of one user, so that others keep room

constexpr Uid kRoot{0};

}  // namespace

ControlServer::ControlServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
                             api::Router::Forward forward, service::SharedStore* shared)
    : loop_(loop),
      registry_{api::Router(services, api::route_table(), std::move(forward), shared),
                services.context.bodies},
      listener_(loop, std::move(listener), "control socket",
                [this](UniqueFd fd) { take(std::move(fd)); }) {}

void ControlServer::take(UniqueFd fd) {
    const auto peer = peer_of(fd.get());
    if (!peer) return;
    if (const std::string why = why_no_room(peer->uid); !why.empty()) return refuse(peer->uid, why);
    const auto label = std::make_shared<RequestLabel>();
    label->caller = name_of(auth::Principal(peer->uid));
    spawn_request(loop_, serve(std::move(fd), peer->uid, label),
                  report_failure("control socket", label));
}

/// Makes room for a connection of a user: closes the connection that has been idle for the longest,
/// of this user if the user has too many, else of the user who has most. Returns which limit is
/// reached if that fails; else nothing.
std::string ControlServer::why_no_room(Uid uid) {
    const auto theirs = sessions_of_.find(uid.value);
    const std::size_t count = theirs == sessions_of_.end() ? 0 : theirs->second.size();
    if (count >= kMaxConnectionsOfOne && !close_idle(theirs->second)) {
        return "limit of " + std::to_string(kMaxConnectionsOfOne) + " connections per user reached";
    }
    if (open_ < kMaxConnections || (uid == kRoot && open_ < kMaxConnections + kOfRoot)) return "";
    const auto most = std::max_element(
        sessions_of_.begin(), sessions_of_.end(),
        [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    if (may_displace(most->second.size(), count) && close_idle(most->second)) return "";
    return "limit of " + std::to_string(kMaxConnections) + " connections reached";
}

bool ControlServer::close_idle(Sessions& sessions) {
    HttpSession* longest = nullptr;
    auto since = std::chrono::steady_clock::time_point::max();
    for (HttpSession* session : sessions) {
        const auto idle = session->idle_since();
        if (!idle || *idle >= since) continue;
        longest = session;
        since = *idle;
    }
    if (longest == nullptr) return false;
    sessions.erase(longest);
    --open_;
    longest->abort();
    return true;
}

/// Logs that a user was denied a further connection.
void ControlServer::refuse(Uid uid, const std::string& reason) const {
    audit::Event event{.kind = audit::Kind::refuse_connection,
                       .sentence = "uid " + std::to_string(uid.value) +
                                   " was refused a connection to the control socket: " + reason};
    event.caller = audit::Account{uid, ""};
    event.reason = reason;
    audit::record(event);
}

void ControlServer::stop() {
    listener_.stop();
    registry_.stop();
}

asio::awaitable<void> ControlServer::serve(UniqueFd fd, Uid caller,
                                           std::shared_ptr<RequestLabel> label) {
    Local::socket socket(loop_);
    socket.assign(Local(), fd.get());
    fd.release();  // only now: assign() throws if the loop can't accept the socket
    LocalAuthenticator check(caller);
    HttpSessionOn<beast::basic_stream<Local>> connection(
        registry_, beast::basic_stream<Local>(std::move(socket)), check, std::move(label));
    sessions_of_[caller.value].insert(&connection);
    ++open_;
    const ScopeExit count_down([this, caller, &connection] {
        const auto found = sessions_of_.find(caller.value);
        if (found == sessions_of_.end()) return;  // closed for another, and those after it ended
        if (found->second.erase(&connection) == 1) --open_;
        if (found->second.empty()) sessions_of_.erase(found);
    });
    co_await connection.run();
}

}  // namespace secrets::server
