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
    /// a new key. Grants whose values are gone are left out. Returns a Status if the job has no
    /// hold.
    StatusOr<Marker> marker_of(JobId job, Uid uid);

  private:
    void add_grant(Marker& marker, const vault::Hold& hold, const std::string& spec);

    ServiceContext& context_;
    SpecResolver& resolver_;
};

}  // namespace secrets::service
