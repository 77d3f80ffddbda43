// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agentd/service/spec_resolver.h"
#include "common/ipc/marker.h"

namespace secrets::service {

/// Makes the marker of a job on this host, for a process of the job that has lost its own. Not
/// thread-safe.
class MarkerService {
  public:
    MarkerService(ServiceContext& context, SpecResolver& resolver)
        : context_(context), resolver_(resolver) {}

    /// Returns the keyed hashes of the values that `uid`'s job was granted, as they are now, under
    /// a new key. Grants that were revoked or ended are left out. Returns a Status if the job
    /// has no hold or a value cannot be looked up now.
    StatusOr<Marker> marker_of(JobId job, Uid uid);

  private:
    Status add_grant(Marker& marker, const vault::Hold& hold, const std::string& spec);

    ServiceContext& context_;
    SpecResolver& resolver_;
};

}  // namespace secrets::service
