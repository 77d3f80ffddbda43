// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the services share that answer the grant requests of steps.

#include <string>

#include "agentd/audit/event.h"
#include "agentd/vault/vault.h"
#include "common/base/secret_spec.h"
#include "common/base/status.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::service::grant_requests {

/// What all events of a step's ask say of it, and a sentence that begins with the step. `node`: for
/// which it asks; empty: this one.
audit::Event event_of(audit::Kind kind, const plugin_protocol::GrantRequest& request,
                      const std::string& node, const std::string& what_happened);

/// Writes down that a step was refused; `ask` where its ask could be read.
Status refused(const plugin_protocol::GrantRequest& request, const std::string& node,
               const SecretSpec* ask, Status refusal);

/// Whether the job's hold may take that grant: one of its own again, or a further one.
bool has_room_for(const vault::Hold* hold, const vault::Grant& grant);
Status too_many_asks();

StatusOr<SecretSpec> read_spec(const plugin_protocol::GrantRequest& request);

/// Whether a step may be kept waiting for the run of its ask.
bool may_wait(const plugin_protocol::GrantRequest& request, const SecretSpec& ask);

/// Writes down that a step was denied its secrets, whether or not its spec can be read.
Status deny(const plugin_protocol::GrantRequest& request, const std::string& node, Status refusal);

}  // namespace secrets::service::grant_requests
