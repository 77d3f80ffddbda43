#pragma once
// What nodes and login hosts ask of a hub: the routes that are their agents' alone.

#include <string>

#include "agentd/api/router.h"
#include "agentd/auth/principal.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::doors {

/// A node wants what a step of a job on it is given.
struct GrantRequest {
    wire::AskRequest ask;
    std::string node;  ///< its name in slurm.conf, as it says
    std::chrono::milliseconds
        patience{};         ///< how long it waits for an answer, the ask's wait aside
    std::string has_tag{};  ///< of what it was granted before; may be empty
    Origin origin{};
};

/// A node says what it holds.
struct ReportRequest {
    std::string node;
    std::vector<vault::HubGrant> held;
    Origin origin{};
};

/// A user of a node or a login host is about to submit a job.
struct SubmissionCheck {
    Uid uid;
    std::string ask;
    std::string node;  ///< the host's name, as it says
    Origin origin{};
};

/// Where the routes hand over. A hub has one.
class NodeRequests {
  public:
    /// Whether the caller is a node's agent, by its account; where on the network it may be one is
    /// each request's to say.
    virtual bool is_agent(const desk::Caller& caller) const = 0;
    virtual HttpAnswer grant(GrantRequest request) = 0;
    virtual HttpAnswer report(ReportRequest request) = 0;
    virtual HttpAnswer check(SubmissionCheck request) = 0;

  protected:
    NodeRequests() = default;
    NodeRequests(const NodeRequests&) = default;
    NodeRequests& operator=(const NodeRequests&) = default;
    ~NodeRequests() = default;
};

}  // namespace secrets::doors
