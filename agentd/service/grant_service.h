// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "agentd/service/expiry.h"
#include "agentd/service/secret_service.h"
#include "agentd/service/spec_resolver.h"

namespace secrets::service {

/// What an ask would be answered with: names, sources and sizes, and no value.
struct SpecCheck {
    std::string ask;
    bool ok = false;
    bool names_run = false;
    std::string reason;  ///< why the ask as a whole has no answer; empty otherwise
    std::vector<ItemAnswer> items;
};

/// What a step is answered.
struct Granted {
    vault::Delivery delivery;
    std::string note;  ///< for the job's stderr; may be empty
};
struct Nothing {};
struct WaitForRun {
    RunId run;
};
using GrantAnswer = std::variant<Granted, Nothing, WaitForRun, Status>;

/// Grants to the steps on this host, their holds and the ends of these, and checks before a job is
/// submitted. Not thread-safe.
class GrantService {
  public:
    GrantService(ServiceContext& context, Expiry& expiry, SpecResolver& resolver,
                 SecretService& secrets)
        : context_(context), expiry_(expiry), resolver_(resolver), secrets_(secrets) {}

    /// A step asks, through slurmstepd. WaitForRun: its run is not there and may still be pushed.
    GrantAnswer grant_step(const plugin_protocol::GrantRequest& request);
    /// The refusal of a step whose run did not come while it waited.
    Status deny_unpushed(const plugin_protocol::GrantRequest& request, const std::string& node,
                         const RunId& run) const;

    /// The job ended. The receipt, as a sentence.
    std::string wipe(JobId job);

    /// Begins a round of the reaper: the jobs that have held something for at least `age`, in
    /// order. Whether they have ended is to be found out after this call.
    std::vector<JobId> begin_reaping(std::chrono::seconds age);
    /// Slurm says that the job has ended, and its epilog has not come: wipes its hold, if it has
    /// one. Nothing happens, and false comes back, where the job was granted something since the
    /// round began, as it is running (again).
    bool reap(JobId job);

    /// What a spec would be answered with: names, sources and sizes, and no value.
    StatusOr<SpecCheck> check(const auth::Principal& caller, const std::string& text);
    /// A command is about to submit a job of `caller`: nothing when its ask has, or may still get,
    /// an answer. A run may be pushed after the job that names it.
    Status check_submission(const auth::Principal& caller, const std::string& ask);

  private:
    GrantAnswer grant(const plugin_protocol::GrantRequest& request, const SecretSpec& ask);
    std::string wipe_hold(const vault::Hold& hold, audit::Kind kind, std::string_view what);

    ServiceContext& context_;
    Expiry& expiry_;
    SpecResolver& resolver_;
    SecretService& secrets_;
};

}  // namespace secrets::service
