// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agentd/service/cached_grant_service.h"
#include "agentd/service/expiry.h"
#include "agentd/service/grant_service.h"
#include "agentd/service/job_secret_service.h"
#include "agentd/service/marker_service.h"
#include "agentd/service/node_grant_service.h"
#include "agentd/service/replication_service.h"
#include "agentd/service/run_end_service.h"
#include "agentd/service/run_service.h"
#include "agentd/service/secret_service.h"
#include "agentd/service/status_service.h"

namespace secrets::service {

/// The services of one agent, in the order in which they depend on one another. Neither copyable
/// nor movable, because the services refer to one another.
struct Services {
    Services(const Config& config, vault::Vault& vault, ServiceContext::Now now,
             store::SecretStore* store = nullptr)
        : context(config, vault, std::move(now), store) {}
    Services(const Services&) = delete;
    Services& operator=(const Services&) = delete;

    ServiceContext context;
    Expiry expiry{context};
    SpecResolver resolver{context};
    RunService runs{context, expiry};
    RunEndService run_ends{context, expiry};
    SecretService secrets{context, expiry};
    GrantService grants{context, expiry, resolver, secrets};
    NodeGrantService node_grants{context, expiry, resolver, secrets};
    CachedGrantService cached_grants{context};
    ReplicationService replication{context, expiry};
    StatusService status{context};
    MarkerService markers{context, resolver};
    JobSecretService job_secrets{context, resolver};
};

}  // namespace secrets::service
