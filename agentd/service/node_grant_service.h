// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agentd/service/grant_service.h"
#include "agentd/service/revocation_log.h"

namespace secrets::service {

/// A hub's grant to a step on one of its nodes.
struct NodeGranted {
    SecretBuffer image;  ///< the delivery's content
    std::string tag;     ///< the entity tag, equal for equal answers
    std::string note;    ///< for the job's stderr; may be empty
};
struct Unchanged {};  ///< the node has the same grant already
/// A denial that was decided about the grant itself: an earlier one ends with it.
struct GrantDenied {
    Status why;
};
/// A Status is a denial for another reason.
using NodeGrantAnswer =
    std::variant<NodeGranted, Unchanged, Nothing, WaitForRun, GrantDenied, Status>;

/// The most grants of a report that are processed at a time: each may cost several lookups. They
/// are fewer if their specs together are longer than one may be.
inline constexpr std::size_t kGrantsPerStep = 32;

/// Returns the position after the grants that are processed at a time, beginning with `from`.
std::size_t end_of_step(const std::vector<vault::CachedGrant>& held, std::size_t from);

/// A node's report of the grants that it holds. What it refers to must outlive it.
struct NodeReport {
    const std::string& node;
    const std::string& address;  ///< of the sender
    const std::vector<vault::CachedGrant>& held;
    bool is_there;    ///< the sender is known to be that node; only then is the report remembered
    bool is_current;  ///< the shared data about the next grants is up to date; none of them is
                      ///   revoked otherwise
};

/// A report that is being processed.
struct ReportProgress {
    std::vector<std::size_t> revoked{};  ///< positions in `held`, of grants that must be wiped
    std::size_t processed = 0;
    std::vector<NodeHoldRegistry::Held> remembered{};
    bool records = false;    ///< whether revocations were recorded in this step
    std::set<JobId> lost{};  ///< jobs with random values of a memory that the hub has lost
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
    /// Processes the next grants of a node's report, up to end_of_step(). Returns whether all are
    /// processed; `progress` then has those that the node must wipe, because their run or
    /// secrets have ended or changed. Between the steps the event loop can serve others.
    bool process_report(const NodeReport& report, ReportProgress& progress);

  private:
    NodeGrantAnswer denied(const plugin_protocol::GrantRequest& request, const std::string& node,
                           const SecretSpec& ask, std::string_view has_tag, Status denial);
    NodeGrantAnswer undecided(const plugin_protocol::GrantRequest& request, const std::string& node,
                              const SecretSpec& ask, const std::string& why);
    bool is_of_lost_memory(const SecretSpec& ask, std::string_view tag) const;
    Status why_not_make(const plugin_protocol::GrantRequest& request,
                        const PreparedGrant& prepared) const;
    std::string why_undecided(Uid owner, const SecretSpec& ask, std::string_view tag) const;
    std::string tag_of(Uid uid, const vault::RunHead* run,
                       const std::vector<ItemAnswer>& answers) const;
    std::string why_revoked(const vault::CachedGrant& held, const SecretSpec& ask,
                            auth::Certainty certainty);
    Status keep_made(const plugin_protocol::GrantRequest& request, const PreparedGrant& prepared);
    bool process(const NodeReport& report, const vault::CachedGrant& held,
                 ReportProgress& progress);

    ServiceContext& context_;
    Expiry& expiry_;
    SpecResolver& resolver_;
    SecretService& secrets_;
    RevocationLog revocations_;
    JobRandoms randoms_{context_.vault};
    /// Jobs that have random values of a memory that this hub has lost, by node.
    std::map<std::string, std::set<JobId>> lost_values_;
};

}  // namespace secrets::service
