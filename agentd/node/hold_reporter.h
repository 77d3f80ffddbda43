// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reports a node's grants to its hubs, and wipes the grants that a hub revokes.

#include <boost/asio/steady_timer.hpp>
#include <random>

#include "agentd/audit/outage_log.h"
#include "agentd/base/supervisor.h"
#include "agentd/node/remote_grants.h"
#include "agentd/service/services.h"

namespace secrets::node {

/// Bounds of the random pause between two reports: nodes that were started together do not report
/// together. The longest pause and a report together take less than the 30 s in which an end is to
/// be known everywhere.
struct ReportIntervals {
    std::chrono::milliseconds shortest{20000};
    std::chrono::milliseconds longest{28000};
};

/// Reports this node's grants to every hub every 20 to 28 s, and once after the last grant is gone:
/// each hub is asked who holds what of a run. Revocations are accepted from the first hub that
/// answers, in the order in which hubs are asked for grants, so that this node applies them within
/// 30 s. Must outlive the loop's run.
class HoldReporter {
  public:
    /// All objects passed by reference must outlive the reporter.
    HoldReporter(boost::asio::io_context& loop, Supervisor& supervisor, HubClient& client,
                 RemoteGrants& grants, service::Services& services, NodeName node,
                 ReportIntervals pauses = {});

    void stop();

  private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> report();
    using Grants = std::span<const vault::CachedGrant>;
    boost::asio::awaitable<Status> tell_all(std::size_t hub, bool applies_revocations, Grants held);
    boost::asio::awaitable<Status> tell(std::size_t hub, bool applies_revocations, Grants held);
    Status take(Grants said, std::span<const std::byte> answer);

    HubClient& client_;
    RemoteGrants& grants_;
    service::Services& services_;
    NodeName node_;
    ReportIntervals pauses_;
    boost::asio::steady_timer timer_;
    std::minstd_rand random_;
    std::set<std::size_t> informed_;  ///< hubs that count this node as a holder
    audit::OutageLog trouble_{
        "cannot report held grants to any hub, so revocations are not received: ",
        "held grants are reported to a hub again"};
    bool stopped_ = false;
};

}  // namespace secrets::node
