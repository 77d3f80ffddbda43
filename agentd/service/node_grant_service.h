// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agentd/service/grant_service.h"

namespace secrets::service {

/// What a node of a hub is answered for a step there.
struct NodeGranted {
    SecretBuffer image;  ///< of the delivery
    std::string tag;     ///< an entity tag: the same for the same answer
    std::string note;    ///< for the job's stderr; may be empty
};
struct Unchanged {};  ///< the node has it already
using NodeGrantAnswer = std::variant<NodeGranted, Unchanged, Nothing, WaitForRun, Status>;

/// A hub's grants to the steps on its nodes, and what these report. Not thread-safe.
class NodeGrantService {
  public:
    NodeGrantService(ServiceContext& context, Expiry& expiry, SpecResolver& resolver,
                     SecretService& secrets)
        : context_(context), expiry_(expiry), resolver_(resolver), secrets_(secrets) {}

    /// A node asks for a step of a job that Slurm says it runs. `has_tag`: of what it was granted
    /// before; may be empty. Nothing is held here. Elsewhere, too, a `node` that is empty is this
    /// one.
    NodeGrantAnswer grant_to_node(const plugin_protocol::GrantRequest& request,
                                  const std::string& node, std::string_view has_tag);
    /// A node says which grants it holds. Returns those, by their places, that it must wipe: what
    /// they were granted of has ended or changed. `is_there`: whether it is known to be that node;
    /// then it is remembered what it holds.
    std::vector<std::size_t> report_from_node(const std::string& node,
                                              const std::vector<vault::CachedGrant>& held,
                                              bool is_there);

  private:
    std::string tag_of(Uid uid, const vault::RunHead* run,
                       const std::vector<ItemAnswer>& answers) const;
    bool is_revoked(const vault::CachedGrant& held);

    ServiceContext& context_;
    Expiry& expiry_;
    SpecResolver& resolver_;
    SecretService& secrets_;
};

}  // namespace secrets::service
