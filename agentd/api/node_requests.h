// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests of nodes and login hosts to a hub, on routes that only their agents may use.

#include <chrono>
#include <string>
#include <vector>

#include "agentd/api/http_message.h"
#include "agentd/service/run_end_service.h"
#include "agentd/vault/vault.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::api {

/// A node's request for what a step of a job on the node is granted.
struct NodeGrantRequest {
    plugin_protocol::GrantRequest grant;
    std::string node;  ///< its name in slurm.conf, as the node says
    std::chrono::milliseconds
        patience{};         ///< how long the node waits, besides the grant request's wait
    std::string has_tag{};  ///< of its earlier grant; may be empty
    Origin origin{};
};

/// A node's report of what it holds.
struct HoldReport {
    std::string node;
    std::vector<vault::CachedGrant> held;
    Origin origin{};
};

/// A node's request to end a run with its head job, which runs on the node.
struct NodeBindingRequest {
    service::RunBinding head;
    std::string node;  ///< its name in slurm.conf, as the node says
    Origin origin{};
};

/// A check for a user of a node or a login host who is about to submit a job.
struct SubmitCheckRequest {
    Uid uid;
    std::string spec;
    std::string node;  ///< the host's name, as the host says
    Origin origin{};
};

}  // namespace secrets::api
