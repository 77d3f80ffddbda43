// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asks slurm-secrets-view whether jobs run where nodes say that they do.

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agentd/audit/outage_log.h"
#include "agentd/base/supervisor.h"
#include "agentd/net/async_condition.h"
#include "agentd/slurm/query_client.h"

namespace secrets::slurm {

/// Holds Slurm's verdict on a placement; unknown if no verdict came in time.
struct PlacementAnswer {
    slurm_query::Verdict verdict = slurm_query::Verdict::unknown;
    std::string why{};  ///< the cause of an unknown verdict
};

/// Queries placements in batches: requests that come during a query are merged into the next one,
/// so that a thousand nodes that ask about one job cost few queries. What slurm-secrets-view
/// remembers is queried first, and so waits for no lookup of another placement. A placement with an
/// unknown verdict is queried again until its deadline. Must outlive the loop's run.
class JobPlacement {
  public:
    using Clock = std::chrono::steady_clock;

    JobPlacement(boost::asio::io_context& loop, Supervisor& supervisor,
                 const std::string& view_socket);

    /// Returns the verdict by `deadline` at the latest.
    boost::asio::awaitable<PlacementAnswer> ask(slurm_query::Placement place,
                                                Clock::time_point deadline);

    /// Answers every pending request with "unknown".
    void stop();

  private:
    struct Waiter {
        slurm_query::Placement place;
        boost::asio::steady_timer timer;
        std::optional<PlacementAnswer> answer{};
        bool is_recalled = false;   ///< slurm-secrets-view remembered no verdict
        std::string why_unknown{};  ///< of the last lookup; empty: none came back unknown
    };
    using Number = std::uint64_t;  ///< in order of arrival

    using Waiters = std::map<Number, Waiter*>;

    boost::asio::awaitable<void> run_recalls();
    boost::asio::awaitable<void> run_lookups();
    Waiters new_ones() const;
    Waiters next_ones();
    static std::vector<slurm_query::Placement> places_of(const Waiters& waiters);
    bool give(const Waiters& asked, const StatusOr<slurm_query::Verdicts>& told);
    void note_unknown(const Waiters& asked, const StatusOr<slurm_query::Verdicts>& told);
    void note_expiry(const std::string& why);
    void note_answer();

    boost::asio::io_context& loop_;
    QueryClient memory_;
    QueryClient view_;
    boost::asio::steady_timer pause_;
    Waiters waiters_;  ///< on the stacks of ask()
    Number next_number_ = 0;
    Number last_asked_ = 0;
    net::AsyncCondition asked_;
    net::AsyncCondition recalled_;
    bool stopped_ = false;
    audit::OutageLog outage_{"cannot check on which nodes jobs run: ",
                             "it can be checked on which nodes jobs run again"};
    Clock::time_point last_expiry_{};  ///< when a lookup last left a request unanswered
};

}  // namespace secrets::slurm
