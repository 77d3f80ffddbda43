// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "agentd/service/resolver.h"
#include "agentd/service/service_context.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::service {

/// The answer to a grant request, before anything of it is delivered.
struct PreparedGrant {
    std::vector<ItemAnswer> answers;
    std::vector<SecretBuffer> opened;    ///< values of stored secrets
    std::vector<DeliveryEntry> entries;  ///< views into `opened` and the run's record
    const vault::RunHead* run = nullptr;
};

/// Resolves secret specs against the runs and stored secrets that the spec's user may use. Not
/// thread-safe.
class SpecResolver {
  public:
    explicit SpecResolver(ServiceContext& context) : context_(context) {}

    /// Returns the answers to the items of the secret spec for a job or a request of `uid`. A run
    /// that is optional in the spec, and does not exist or is another user's, counts as empty.
    StatusOr<std::vector<ItemAnswer>> resolve_spec(Uid uid, const SecretSpec& ask,
                                                   auth::Permission operation);

    /// Does the same for a step, opens the values and checks the limits.
    StatusOr<PreparedGrant> prepare(const plugin_protocol::GrantRequest& request,
                                    const SecretSpec& ask);

  private:
    StatusOr<AvailableSecrets> available_secrets(Uid uid, const SecretSpec& ask) const;

    ServiceContext& context_;
};

}  // namespace secrets::service
