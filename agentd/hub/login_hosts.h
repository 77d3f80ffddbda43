// SPDX-License-Identifier: Apache-2.0
#pragma once
// Holds the addresses of the hosts without a slurmd that a hub knows by name.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agentd/base/supervisor.h"
#include "agentd/net/async_condition.h"

namespace secrets::hub {

/// Resolves the host names at once and at each change of the configuration, in the loop; logs a
/// host that has no address. Must outlive the loop's run.
class LoginHosts {
  public:
    /// `hosts`: names and addresses.
    LoginHosts(boost::asio::io_context& loop, Supervisor& supervisor,
               std::vector<std::string> hosts);

    void configure(std::vector<std::string> hosts);
    void stop();

    /// Returns whether a login host has this address; nothing while the names are being resolved
    /// for the first time.
    std::optional<bool> has(const std::string& address) const;

  private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> look_up();

    boost::asio::io_context& loop_;
    std::optional<std::set<std::string>> addresses_;
    std::vector<std::string> hosts_;
    unsigned configured_ = 0;  ///< number of configurations so far
    unsigned looked_up_ = 0;   ///< number of the configuration whose hosts were resolved
    net::AsyncCondition changed_;
    bool stopped_ = false;
};

}  // namespace secrets::hub
