// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agentd/service/grant_service.h"

namespace secrets::service {

/// A hub's grant to a step on one of its nodes.
struct NodeGranted {
    SecretBuffer image;  ///< the delivery's content
    std::string tag;     ///< the entity tag, equal for equal answers
    std::string note;    ///< for the job's stderr; may be empty
};
struct Unchanged {};  ///< the node has the same grant already
using NodeGrantAnswer = std::variant<NodeGranted, Unchanged, Nothing, WaitForRun, Status>;

/// A hub's grants to the steps on its nodes, and the nodes' reports. Not thread-safe.
class NodeGrantService {
  public:
    NodeGrantService(ServiceContext& context, Expiry& expiry, SpecResolver& resolver,
                     SecretService& secrets)
        : context_(context), expiry_(expiry), resolver_(resolver), secrets_(secrets) {}

    /// Answers a node's request for a step of a job that, according to Slurm, runs on the node.
    /// `has_tag` is the tag of the node's earlier grant, or empty. The hub itself gets no hold.
    /// An empty `node` means this host, as in all services.
    NodeGrantAnswer grant_to_node(const plugin_protocol::GrantRequest& request,
                                  const std::string& node, std::string_view has_tag);
    /// Processes a node's report of its grants. Returns the positions in `held` of the grants that
    /// the node must wipe, because their run or secrets have ended or changed. `is_there` says
    /// whether the sender is known to be that node; only then is the report remembered.
    /// `is_current`: whether the shared data is up to date; nothing is revoked otherwise.
    std::vector<std::size_t> report_from_node(const std::string& node,
                                              const std::vector<vault::CachedGrant>& held,
                                              bool is_there, bool is_current);

  private:
    std::string tag_of(Uid uid, const vault::RunHead* run,
                       const std::vector<ItemAnswer>& answers) const;
    std::string why_revoked(const vault::CachedGrant& held, auth::Certainty certainty);
    bool revoke(const std::string& node, const vault::CachedGrant& held);

    ServiceContext& context_;
    Expiry& expiry_;
    SpecResolver& resolver_;
    SecretService& secrets_;
};

}  // namespace secrets::service
