#pragma once
// The hosts without a slurmd that a hub knows by name.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace secrets::hub {

/// Looks up their names at once, and at each change of the configuration, in the loop; one that has
/// no address is written down. Must outlive the loop's run.
class LoginHosts {
  public:
    /// `hosts`: names and addresses.
    LoginHosts(boost::asio::io_context& loop, std::vector<std::string> hosts);

    void configure(std::vector<std::string> hosts);

    /// Whether it is the address of one. Nothing: their names are still being looked up for the
    /// first time.
    std::optional<bool> has(const std::string& address) const;

  private:
    boost::asio::awaitable<void> look_up(std::vector<std::string> hosts, unsigned round);

    boost::asio::io_context& loop_;
    std::optional<std::set<std::string>> addresses_;
    unsigned round_ = 0;
};

}  // namespace secrets::hub
