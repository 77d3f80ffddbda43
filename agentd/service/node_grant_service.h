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

/// The grants of a report that are processed at a time: each may cost several lookups.
inline constexpr std::size_t kGrantsPerStep = 32;

/// A node's report of the grants that it holds. What it refers to must outlive it.
struct NodeReport {
    const std::string& node;
    const std::vector<vault::CachedGrant>& held;
    bool is_there;    ///< the sender is known to be that node; only then is the report remembered
    bool is_current;  ///< the shared data is up to date; nothing is revoked otherwise
};

/// A report that is being processed.
struct ReportProgress {
    std::vector<std::size_t> revoked{};  ///< positions in `held`, of grants that must be wiped
    std::size_t processed = 0;
    std::vector<NodeHoldRegistry::Held> remembered{};
};

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
    /// Processes the next kGrantsPerStep grants of a node's report. Returns whether all are
    /// processed; `progress` then has those that the node must wipe, because their run or secrets
    /// have ended or changed. Between the steps the event loop can serve others.
    bool process_report(const NodeReport& report, ReportProgress& progress);

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
