// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "agentd/service/document_keys.h"
#include "agentd/service/expiry.h"
#include "agentd/service/secret_service.h"

namespace secrets::service {

/// A secret on its way out of a store that agents share.
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

    /// What the answer to an ask of `uid` hangs on; nothing for a malformed one.
    DocumentKeys documents_of_spec(Uid uid, const std::string& ask) const;
    DocumentKeys documents_of_scope(const auth::Principal& caller, const SecretScope& place) const;
    DocumentKeys documents_of_workspaces() const;

    /// In the store that agents share a run is this. On a Status nothing has changed.
    Status replicate_run(const vault::RunHead& head, std::span<const vault::NewSecret> secrets);
    /// It is over there; also fine when it is not here.
    void drop_replicated_run(const RunId& run);
    /// There an owner has these, and no others.
    Status replicate_secrets(const store::Owner& owner, std::span<const ReplicatedSecret> kept);

  private:
    bool may_matter(Uid uid, const Workspace& workspace) const;

    ServiceContext& context_;
    Expiry& expiry_;
};

}  // namespace secrets::service
