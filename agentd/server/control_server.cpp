// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/control_server.h"

#include "agentd/api/handlers.h"
#include "agentd/audit/audit_log.h"
#include "agentd/base/scope_exit.h"
#include "agentd/base/spawn_request.h"

namespace secrets::server {
namespace {

using Local = asio::local::stream_protocol;

constexpr std::size_t kMaxConnections = 1024;
constexpr std::size_t kMaxConnectionsOfOne = 128;  ///< of one user: root and others keep room

}  // namespace

ControlServer::ControlServer(asio::io_context& loop, UniqueFd listener, service::Services& services,
                             api::Router::Forward forward, service::SharedStore* shared)
    : loop_(loop),
      registry_{api::Router(services, api::route_table(), std::move(forward), shared)},
      listener_(loop, std::move(listener), "control socket",
                [this](UniqueFd fd) { take(std::move(fd)); }) {}

void ControlServer::take(UniqueFd fd) {
    const auto peer = peer_of(fd.get());
    if (!peer) return;
    const auto found = connections_of_.find(peer->uid.value);
    const std::size_t theirs = found == connections_of_.end() ? 0 : found->second;
    if (registry_.connections.size() >= kMaxConnections || theirs >= kMaxConnectionsOfOne) {
        return refuse(peer->uid, theirs);
    }
    const auto label = std::make_shared<RequestLabel>();
    label->caller = name_of(auth::Principal(peer->uid));
    spawn_request(loop_, serve(std::move(fd), peer->uid, label),
                  report_failure("control socket", label));
}

/// Logs that a user with `theirs` connections was denied a further one.
void ControlServer::refuse(Uid uid, std::size_t theirs) const {
    const std::string reason =
        theirs >= kMaxConnectionsOfOne
            ? "limit of " + std::to_string(kMaxConnectionsOfOne) + " connections per user reached"
            : "limit of " + std::to_string(kMaxConnections) + " connections reached";
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
    ++connections_of_[caller.value];
    const ScopeExit count_down([this, caller] {
        const auto found = connections_of_.find(caller.value);
        if (--found->second == 0) connections_of_.erase(found);
    });
    LocalAuthenticator check(caller);
    HttpSessionOn<beast::basic_stream<Local>> connection(
        registry_, beast::basic_stream<Local>(std::move(socket)), check, std::move(label));
    co_await connection.run();
}

}  // namespace secrets::server
