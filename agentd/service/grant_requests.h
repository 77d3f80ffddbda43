// SPDX-License-Identifier: Apache-2.0
#pragma once
// Functions shared by the services that answer the grant requests of steps.

#include <string>

#include "agentd/audit/event.h"
#include "agentd/vault/vault.h"
#include "common/base/secret_spec.h"
#include "common/base/status.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::service::grant_requests {

/// Returns an event with the fields that all events of a step's request have, and a sentence that
/// begins with the step. `node` is the step's node; empty means this host.
audit::Event event_of(audit::Kind kind, const plugin_protocol::GrantRequest& request,
                      const std::string& node, const std::string& what_happened);

/// Records in the audit log that a step was denied. `ask` is its secret spec, or null if the spec
/// could not be parsed. A step that waits for a lookup is not denied.
Status refused(const plugin_protocol::GrantRequest& request, const std::string& node,
               const SecretSpec* ask, Status refusal);

/// Tells whether the job's hold has room for the grant: the same grant again, or a further one.
bool has_room_for(const vault::Hold* hold, const vault::Grant& grant);
Status too_many_asks();

StatusOr<SecretSpec> read_spec(const plugin_protocol::GrantRequest& request);

/// Tells whether a step may wait for the run that its secret spec names.
bool may_wait(const plugin_protocol::GrantRequest& request, const SecretSpec& ask);

/// Records in the audit log that a step was denied its secrets, even if its spec cannot be parsed.
Status deny(const plugin_protocol::GrantRequest& request, const std::string& node, Status refusal);

}  // namespace secrets::service::grant_requests
