// SPDX-License-Identifier: Apache-2.0
#include "agentd/hub/login_hosts.h"

#include <boost/asio/ip/tcp.hpp>

#include "agentd/audit/audit_log.h"
#include "agentd/net/asio.h"

namespace secrets::hub {
namespace {

namespace asio = boost::asio;

}  // namespace

LoginHosts::LoginHosts(asio::io_context& loop, Supervisor& supervisor,
                       std::vector<std::string> hosts)
    : loop_(loop) {
    configure(std::move(hosts));
    supervisor.start("login_hosts", [this] { return run(); });
}

void LoginHosts::configure(std::vector<std::string> hosts) {
    hosts_ = std::move(hosts);
    ++configured_;
    changed_.wake();
}

void LoginHosts::stop() {
    stopped_ = true;
    changed_.wake();
}

std::optional<bool> LoginHosts::has(const std::string& address) const {
    if (!addresses_) return std::nullopt;
    return addresses_->contains(address);
}

asio::awaitable<void> LoginHosts::run() {
    while (!stopped_) {
        if (looked_up_ == configured_) {
            co_await changed_.wait();
        } else {
            co_await look_up();
        }
    }
}

/// Resolves the configured hosts. A configuration that comes meanwhile is resolved next.
asio::awaitable<void> LoginHosts::look_up() {
    const unsigned round = configured_;
    const std::vector<std::string> hosts = hosts_;
    asio::ip::tcp::resolver resolver(loop_);
    std::set<std::string> addresses;
    for (const std::string& host : hosts) {
        ErrorCode error;
        const auto found = co_await resolver.async_resolve(host, "", into(error));
        for (const auto& each : found) addresses.insert(each.endpoint().address().to_string());
        if (!found.empty()) continue;
        if (stopped_) co_return;
        audit::report_problem("listen.login_hosts: cannot resolve host " + host + ": " +
                              (error ? error.message() : "it has no address"));
    }
    if (round != configured_) co_return;
    addresses_ = std::move(addresses);
    looked_up_ = round;
}

}  // namespace secrets::hub
