// SPDX-License-Identifier: Apache-2.0
#pragma once
// Holds the addresses of the hosts without a slurmd that a hub knows by name.

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agentd/base/supervisor.h"
#include "agentd/net/async_condition.h"
#include "agentd/net/host_resolver.h"

namespace secrets::hub {

/// Resolves the host names at once, at each change of the configuration, and every few minutes. A
/// name that cannot be resolved at the moment keeps its last addresses; the log says when that
/// begins and ends. Must outlive the loop's run.
class LoginHosts {
  public:
    /// `hosts`: names and addresses.
    LoginHosts(boost::asio::io_context& loop, Supervisor& supervisor,
               std::vector<std::string> hosts);

    void configure(std::vector<std::string> hosts);
    void stop();

    /// Returns whether a login host has this address; nothing if it is none of the known ones and
    /// some host was never resolved, or cannot be resolved now.
    std::optional<bool> has(const std::string& address) const;
    /// Returns whether one login host is known to have both addresses.
    bool has_both(const std::string& address, const std::string& other) const;

  private:
    struct Host {
        std::set<std::string> addresses{};  ///< as it was resolved last
        bool is_resolved = false;           ///< whether it ever was
        std::string trouble{};              ///< why it can't be resolved now; empty if it can
    };

    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> look_up();
    boost::asio::awaitable<void> look_up(std::string name);
    void note_trouble(const std::string& name, Host& host, std::string trouble) const;
    bool is_complete() const;

    net::HostResolver& resolver_;
    std::map<std::string, Host> known_;
    std::vector<std::string> hosts_;
    unsigned configured_ = 0;  ///< number of configurations so far
    unsigned looked_up_ = 0;   ///< number of the configuration whose hosts were resolved
    net::AsyncCondition changed_;
    std::chrono::seconds pause_{};
    bool stopped_ = false;
};

}  // namespace secrets::hub
