// SPDX-License-Identifier: Apache-2.0
#pragma once
// What nodes and login hosts ask of a hub: the routes that are their agents' alone.

#include <string>

#include "agentd/api/router.h"
#include "agentd/auth/principal.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::api {

/// A node wants what a step of a job on it is given.
struct NodeGrantRequest {
    plugin_protocol::GrantRequest ask;
    std::string node;  ///< its name in slurm.conf, as it says
    std::chrono::milliseconds
        patience{};         ///< how long it waits for an answer, the ask's wait aside
    std::string has_tag{};  ///< of what it was granted before; may be empty
    Origin origin{};
};

/// A node says what it holds.
struct HoldReport {
    std::string node;
    std::vector<vault::CachedGrant> held;
    Origin origin{};
};

/// A user of a node or a login host is about to submit a job.
struct SubmitCheckRequest {
    Uid uid;
    std::string ask;
    std::string node;  ///< the host's name, as it says
    Origin origin{};
};

/// Where the routes hand over. A hub has one.
class NodeApi {
  public:
    /// Whether the caller is a node's agent, by its account; where on the network it may be one is
    /// each request's to say.
    virtual bool is_agent(const auth::Principal& caller) const = 0;
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
