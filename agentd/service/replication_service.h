// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "agentd/service/document_keys.h"
#include "agentd/service/expiry.h"
#include "agentd/service/secret_service.h"

namespace secrets::service {

/// A secret read from the store that agents share.
struct ReplicatedSecret {
    store::SecretHead head;
    SecretBuffer value;
};

/// The local copy of runs and stored secrets that several agents share: which documents a request
/// depends on, and what the shared store has of them. Not thread-safe.
class ReplicationService {
  public:
    ReplicationService(ServiceContext& context, Expiry& expiry)
        : context_(context), expiry_(expiry) {}

    /// Returns the documents needed to answer a secret spec of `uid`; none if the spec is
    /// malformed.
    DocumentKeys documents_of_spec(Uid uid, const std::string& ask) const;
    DocumentKeys documents_of_scope(const auth::Principal& caller, const SecretScope& scope) const;
    DocumentKeys documents_of_workspaces() const;

    /// Replaces the local copy of a run with the version read from the shared store. On an error
    /// nothing has changed.
    Status replicate_run(const vault::RunHead& head, std::span<const vault::NewSecret> secrets);
    /// Wipes the local copy of a run that has ended in the shared store. No-op if there is no copy.
    void drop_replicated_run(const RunId& run);
    /// Replaces all local secrets of `owner` with the secrets read from the shared store.
    /// `user`: the name of the user who stored them; empty: it is not known.
    Status replicate_secrets(const store::Owner& owner, std::span<const ReplicatedSecret> kept,
                             const std::string& user = "");

  private:
    bool may_matter(Uid uid, const Workspace& workspace) const;

    ServiceContext& context_;
    Expiry& expiry_;
};

}  // namespace secrets::service
