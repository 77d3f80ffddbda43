// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "agentd/service/resolver.h"
#include "agentd/service/service_context.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::service {

/// What an ask is answered with, of which nothing has been given away yet.
struct PreparedGrant {
    std::vector<ItemAnswer> answers;
    std::vector<SecretBuffer> opened;    ///< values of kept secrets
    std::vector<DeliveryEntry> entries;  ///< views into `opened` and the run's record
    const vault::RunHead* run = nullptr;
};

/// Resolves secret specs against runs and stored secrets, as far as their user may have them. Not
/// thread-safe.
class SpecResolver {
  public:
    explicit SpecResolver(ServiceContext& context) : context_(context) {}

    /// The answers to the items of `spec` for a job or a request of `uid`. A run that is optional
    /// in the spec, and is not there or is another user's, counts as one without secrets.
    StatusOr<std::vector<ItemAnswer>> resolve_spec(Uid uid, const SecretSpec& ask,
                                                   auth::Permission operation);

    /// The same for a step, with values opened and limits checked.
    StatusOr<PreparedGrant> prepare(const plugin_protocol::GrantRequest& request,
                                    const SecretSpec& ask);

  private:
    StatusOr<AvailableSecrets> available_secrets(Uid uid, const SecretSpec& ask) const;

    ServiceContext& context_;
};

}  // namespace secrets::service
