// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/service_context.h"

namespace secrets::service {

ServiceContext::ServiceContext(const Config& config, vault::Vault& all, Now clock,
                               store::SecretStore* secret_store)
    : vault(all), store(secret_store), now(std::move(clock)), started(now()) {
    for (const HttpsUrl& url : config.hub.urls) hubs.push_back(url.text);
    configure(config);
}

void ServiceContext::configure(const Config& config) {
    limits = config.limits;
    bodies.configure({limits.body_bytes(), limits.body_bytes() / 8});
    default_ttl = config.default_ttl;
    max_ttl = config.max_ttl;
    auth::PrincipalResolver resolver(config.platforms, config.workspaces);
    resolver.know(principals.slurm_accounts());
    principals = std::move(resolver);
}

}  // namespace secrets::service
