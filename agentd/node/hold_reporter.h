// SPDX-License-Identifier: Apache-2.0
#pragma once
// A node tells its hubs what it holds, and hears what of it is over.

#include <boost/asio/steady_timer.hpp>
#include <random>

#include "agentd/audit/outage_log.h"
#include "agentd/base/supervisor.h"
#include "agentd/node/remote_grants.h"
#include "agentd/service/services.h"

namespace secrets::node {

/// Between two reports, from the shortest to the longest: nodes that were started together do not
/// report together. The longest is less than the 30 s in which an end is to be known everywhere, by
/// what a report takes.
struct ReportPauses {
    std::chrono::milliseconds shortest{20000};
    std::chrono::milliseconds longest{28000};
};

/// Says every 20 to 28 s what is held, and once when that is nothing any more, to every hub: each
/// of them is asked who holds what of a run. What is over is taken from the first that answers, in
/// the order in which they are asked for grants; so it is wiped here within 30 s. Must outlive the
/// loop's run.
class HoldReporter {
  public:
    /// All that is referred to must outlive it.
    HoldReporter(boost::asio::io_context& loop, Supervisor& supervisor, HubClient& client,
                 RemoteGrants& asks, service::Services& services, std::string node,
                 ReportPauses pauses = {});

    void stop();

  private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> report();
    boost::asio::awaitable<Status> tell(std::size_t hub, bool is_believed,
                                        const std::vector<vault::CachedGrant>& held);
    Status take(const std::vector<vault::CachedGrant>& said, std::span<const std::byte> answer);

    HubClient& client_;
    RemoteGrants& asks_;
    service::Services& services_;
    std::string node_;
    ReportPauses pauses_;
    boost::asio::steady_timer timer_;
    std::minstd_rand random_;
    std::set<std::size_t> believe_;  ///< hubs that believe that something is held here
    audit::OutageLog trouble_{"no hub hears what is held here, nor says what of it is over: ",
                              "a hub hears again what is held here"};
    bool stopped_ = false;
};

}  // namespace secrets::node
