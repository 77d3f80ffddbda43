#pragma once
// A node tells its hub what it holds, and hears what of it is over.

#include <boost/asio/steady_timer.hpp>
#include <random>

#include "agentd/audit/lasting_trouble.h"
#include "agentd/cluster/hub_asks.h"
#include "agentd/desk/desk.h"

namespace secrets::cluster {

/// Says every 20 to 28 s what is held, and once when that is nothing any more; so what has ended at
/// the hub is wiped here within 30 s. Must outlive the loop's run.
class HoldsReport {
  public:
    /// All that is referred to must outlive it.
    HoldsReport(boost::asio::io_context& loop, HubClient& client, HubAsks& asks, desk::Desk& desk,
                std::string node);

    void stop();

  private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> report();
    void take(const std::vector<vault::HubGrant>& said, std::span<const std::byte> answer);

    HubClient& client_;
    HubAsks& asks_;
    desk::Desk& desk_;
    std::string node_;
    boost::asio::steady_timer timer_;
    std::minstd_rand random_;
    bool said_something_ = false;  ///< the hub believes that something is held here
    audit::LastingTrouble trouble_{"no hub hears what is held here, nor says what of it is over: ",
                                   "a hub hears again what is held here"};
    bool stopped_ = false;
};

}  // namespace secrets::cluster
