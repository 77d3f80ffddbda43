// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the desk's answers to steps' asks share. For the desk's own files.

#include "agentd/audit/audit_log.h"
#include "agentd/service/desk.h"

namespace secrets::service {

/// What an ask is answered with, of which nothing has been given away yet.
struct Desk::Prepared {
    std::vector<ItemAnswer> answers;
    std::vector<SecretBuffer> opened;    ///< values of kept secrets
    std::vector<DeliveryEntry> entries;  ///< views into `opened` and the run's record
    const vault::RunHead* run = nullptr;
};

namespace asks {

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

StatusOr<SecretSpec> read_ask(const plugin_protocol::GrantRequest& request);

/// Whether a step may be kept waiting for the run of its ask.
bool may_wait(const plugin_protocol::GrantRequest& request, const SecretSpec& ask);

}  // namespace asks

}  // namespace secrets::service
