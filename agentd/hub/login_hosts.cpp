#include "agentd/hub/login_hosts.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "agentd/audit/audit_log.h"
#include "agentd/net/asio.h"

namespace secrets::hub {
namespace {

namespace asio = boost::asio;

}  // namespace

LoginHosts::LoginHosts(asio::io_context& loop, std::vector<std::string> hosts) : loop_(loop) {
    configure(std::move(hosts));
}

void LoginHosts::configure(std::vector<std::string> hosts) {
    asio::co_spawn(loop_, look_up(std::move(hosts), ++round_), asio::detached);
}

std::optional<bool> LoginHosts::has(const std::string& address) const {
    if (!addresses_) return std::nullopt;
    return addresses_->contains(address);
}

asio::awaitable<void> LoginHosts::look_up(std::vector<std::string> hosts, unsigned round) {
    asio::ip::tcp::resolver resolver(loop_);
    std::set<std::string> addresses;
    for (const std::string& host : hosts) {
        ErrorCode error;
        const auto found = co_await resolver.async_resolve(host, "", into(error));
        for (const auto& each : found) addresses.insert(each.endpoint().address().to_string());
        if (!found.empty()) continue;
        audit::report_problem("listen.login_hosts: the host " + host + " has no address" +
                              (error ? ": " + error.message() : ""));
    }
    if (round == round_) addresses_ = std::move(addresses);
}

}  // namespace secrets::hub
