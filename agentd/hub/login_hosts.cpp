// SPDX-License-Identifier: Apache-2.0
#include "agentd/hub/login_hosts.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"

namespace secrets::hub {
namespace {

namespace asio = boost::asio;

constexpr auto kInterval = std::chrono::seconds(300);
/// The pause after the first lookup if a host was never resolved; it doubles then.
constexpr auto kFirstPause = std::chrono::seconds(2);
/// How long one host's lookup is waited for, so that it does not hold up the list.
constexpr auto kPatience = std::chrono::seconds(5);
constexpr auto kUse = net::HostResolver::Use::background;

}  // namespace

LoginHosts::LoginHosts(asio::io_context& loop, Supervisor& supervisor,
                       std::vector<std::string> hosts)
    : resolver_(net::HostResolver::of(loop)) {
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
    for (const std::string& name : hosts_) {
        const auto host = known_.find(name);
        if (host != known_.end() && host->second.addresses.contains(address)) return true;
    }
    if (!is_complete()) return std::nullopt;
    return false;
}

bool LoginHosts::has_both(const std::string& address, const std::string& other) const {
    return std::any_of(hosts_.begin(), hosts_.end(), [&](const std::string& name) {
        const auto host = known_.find(name);
        return host != known_.end() && host->second.addresses.contains(address) &&
               host->second.addresses.contains(other);
    });
}

/// Returns whether each host was resolved, and its last lookup did not fail.
bool LoginHosts::is_complete() const {
    return std::all_of(hosts_.begin(), hosts_.end(), [&](const std::string& name) {
        const auto host = known_.find(name);
        return host != known_.end() && host->second.is_resolved && host->second.trouble.empty();
    });
}

asio::awaitable<void> LoginHosts::run() {
    while (!stopped_) {
        const bool was_complete = is_complete();
        co_await look_up();
        if (stopped_ || looked_up_ != configured_) continue;
        if (is_complete()) {
            pause_ = kInterval;
        } else {
            pause_ = was_complete ? kFirstPause : std::clamp(2 * pause_, kFirstPause, kInterval);
        }
        co_await changed_.wait(net::AsyncCondition::Clock::now() + pause_);
    }
}

/// Resolves the configured hosts. A configuration that comes meanwhile is resolved next.
asio::awaitable<void> LoginHosts::look_up() {
    const unsigned round = configured_;
    const std::vector<std::string> hosts = hosts_;
    for (const std::string& host : hosts) resolver_.begin(host, kUse);
    for (const std::string& host : hosts) {
        co_await look_up(host);
        if (stopped_ || round != configured_) co_return;
    }
    std::erase_if(known_, [&](const auto& entry) {
        return std::find(hosts.begin(), hosts.end(), entry.first) == hosts.end();
    });
    looked_up_ = round;
}

asio::awaitable<void> LoginHosts::look_up(std::string name) {
    const auto deadline = net::HostResolver::Clock::now() + kPatience;
    net::HostLookup found = co_await resolver_.look_up(name, kUse, deadline);
    if (stopped_) co_return;
    Host& host = known_[name];
    if (!found.addresses.empty()) {
        host.addresses.clear();
        for (const auto& each : found.addresses) host.addresses.insert(each.to_string());
        host.is_resolved = true;
    }
    note_trouble(name, host, std::move(found.trouble));
}

/// Logs the begin and the end of the time in which a host cannot be resolved.
void LoginHosts::note_trouble(const std::string& name, Host& host, std::string trouble) const {
    const bool was_in_trouble = !host.trouble.empty();
    host.trouble = std::move(trouble);
    if (was_in_trouble == !host.trouble.empty()) return;
    if (was_in_trouble) {
        audit::report_recovery("listen.login_hosts: host " + name + " can be resolved again");
    } else {
        audit::report_problem("listen.login_hosts: cannot resolve host " + name + ": " +
                              host.trouble +
                              (host.is_resolved ? "; its last addresses stay in force" : ""));
    }
}

}  // namespace secrets::hub
