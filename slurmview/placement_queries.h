// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers queries for placements: from the cache, and by the lookups that the cache names.

#include <memory>

#include "slurmview/placement_cache.h"
#include "slurmview/query_thread.h"

namespace secrets::slurmview {

/// Thread-safe. Each lookup runs on the thread of what it queries, so that a name service that does
/// not answer delays no query to slurmctld, nor the reverse.
class PlacementQueries {
  public:
    /// The threads must outlive this.
    PlacementQueries(ControllerCalls calls, Bounds bounds, QueryThread& controller,
                     QueryThread& resolver);

    /// Returns a verdict on each placement, in time. Makes no lookup for a request that wants none,
    /// and waits only briefly for further verdicts once there is one.
    slurm_query::Verdicts answer(const slurm_query::PlacementsRequest& request);

  private:
    struct Work;

    void judge(Work& work) const;
    std::string look_up(const std::shared_ptr<Work>& work, const Lookups& missing,
                        std::chrono::milliseconds patience);

    ControllerCalls calls_;
    Bounds bounds_;
    QueryThread& controller_;
    QueryThread& resolver_;
    std::shared_ptr<PlacementCache> cache_;  ///< used by lookups after their query was answered
};

}  // namespace secrets::slurmview
