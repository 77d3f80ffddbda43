// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "agentd/service/job_randoms.h"
#include "agentd/service/resolver.h"
#include "agentd/service/service_context.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::service {

/// The answer to a grant request, before anything of it is delivered.
struct PreparedGrant {
    std::vector<ItemAnswer> answers;
    std::vector<SecretBuffer> opened;    ///< values of stored secrets
    MadeValues made;                     ///< random values of the job
    std::vector<DeliveryEntry> entries;  ///< views into `opened`, `made` and the run's record
    const vault::RunHead* run = nullptr;
};

/// Returns whether the user may not have what the spec names, or it does not exist; an error of
/// another code says nothing about that.
bool is_denial(const Status& status);

/// Resolves secret specs against the runs and stored secrets that the spec's user may use. Not
/// thread-safe.
class SpecResolver {
  public:
    explicit SpecResolver(ServiceContext& context) : context_(context) {}

    /// Returns the answers to the items of the secret spec for a job or a request of `uid`. A run
    /// that is optional in the spec, and does not exist or is another user's, counts as empty.
    /// `certainty`: of a workspace's users and groups in which the user is not found.
    StatusOr<std::vector<ItemAnswer>> resolve_spec(Uid uid, const SecretSpec& ask,
                                                   auth::Permission operation,
                                                   auth::Certainty certainty);

    /// Does the same with the last answers of the name service, but denies the spec or an item only
    /// with this certainty. Otherwise it returns `unavailable` or `pending`.
    StatusOr<std::vector<ItemAnswer>> resolve_or_deny(Uid uid, const SecretSpec& ask,
                                                      auth::Permission operation,
                                                      auth::Certainty certainty);

    /// Does the same for a step, opens the values and checks the limits. `had_it`: whether the job
    /// was granted this spec before, so that only what is established can deny it.
    StatusOr<PreparedGrant> prepare(const plugin_protocol::GrantRequest& request,
                                    const SecretSpec& ask, bool had_it);

    /// Returns whether a run that a job of `uid` names may still be pushed: it is not here, and no
    /// run of the user with this id ended in the last 12 hours.
    bool may_be_pushed(const RunId& run, Uid uid) const;

    /// Returns the end of a run that the user may use; null for a run that is not known to have
    /// ended, or is another user's.
    const EndedRun* find_ended(const RunId& run, Uid uid) const;
    /// Returns how such a run ended, also one that was completed when it was not here, as a
    /// sentence; empty if it is not known to have ended.
    std::string how_ended(const RunId& run, Uid uid) const;

  private:
    StatusOr<AvailableSecrets> available_secrets(Uid uid, const SecretSpec& ask,
                                                 auth::Certainty certainty) const;

    ServiceContext& context_;
    JobRandoms randoms_{context_.vault};
};

}  // namespace secrets::service
