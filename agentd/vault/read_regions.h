// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "agentd/vault/delivery.h"
#include "common/base/ids.h"
#include "common/base/limits.h"
#include "common/secure_memory/locked_region.h"
#include "common/secure_memory/wipe.h"

namespace secrets::vault {

/// Limits the locked memory of all regions that processes of one job are given: they may keep any
/// of them until they end, and pass them on.
inline constexpr std::size_t kMaxReadBytesOfJob = 4 * kMaxDeliveryBytes;

/// The regions that processes of jobs were given of what they read. The same region is given again
/// while the values are the same, so that a process that reads at any rate pins no more memory. Not
/// thread-safe.
class ReadRegions {
  public:
    /// Returns the region of an earlier request of the job if it still has this image, or else a
    /// fresh one. Returns `resource_exhausted` if the job's regions would exceed the limit.
    StatusOr<Delivery> deliver(JobId job, Uid owner, const std::string& request, SecretView image,
                               MemoryKind kind);

    /// Closes the regions of a job, of a user's jobs, or all: their values may have ended. What
    /// they took stays counted.
    void close(JobId job) noexcept;
    void close_of(Uid owner) noexcept;
    void close_all() noexcept;
    /// Forgets a job that has ended, and all jobs.
    void end(JobId job) noexcept { jobs_.erase(job); }
    void end_all() noexcept { jobs_.clear(); }

  private:
    struct OfJob {
        Uid owner;
        std::size_t bytes = 0;                   ///< of all regions that were made
        std::map<std::string, Delivery> open{};  ///< by request
    };

    std::map<JobId, OfJob> jobs_;
};

}  // namespace secrets::vault
