// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests of nodes and login hosts to a hub, on the routes that only their agents may use.

#include <string>

#include "agentd/api/router.h"
#include "agentd/auth/principal.h"
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

/// A check for a user of a node or a login host who is about to submit a job.
struct SubmitCheckRequest {
    Uid uid;
    std::string spec;
    std::string node;  ///< the host's name, as the host says
    Origin origin{};
};

/// Interface through which the routes call the hub's handlers. A hub has one.
class NodeApi {
  public:
    /// Returns whether the caller is a node's agent, by its account; each request decides where on
    /// the network such an agent may be.
    virtual StatusOr<bool> is_agent(const auth::Principal& caller) const = 0;
    virtual HttpResponse grant(NodeGrantRequest request) = 0;
    virtual HttpResponse report(HoldReport request) = 0;
    virtual HttpResponse check(SubmitCheckRequest request) = 0;

  protected:
    NodeApi() = default;
    NodeApi(const NodeApi&) = default;
    NodeApi& operator=(const NodeApi&) = default;
    ~NodeApi() = default;
};

}  // namespace secrets::api
