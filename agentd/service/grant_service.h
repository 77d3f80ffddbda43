// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "agentd/audit/event.h"
#include "agentd/service/expiry.h"
#include "agentd/service/secret_service.h"
#include "agentd/service/spec_resolver.h"

namespace secrets::service {

/// The answer that a secret spec would get: names, sources and sizes, without values.
struct SpecCheck {
    std::string ask;
    bool ok = false;
    bool awaits_push = false;  ///< it names a run that is not here, or is another user's
    std::string reason;        ///< why the spec as a whole has no answer; empty otherwise
    std::vector<ItemAnswer> items;
};

/// A grant to a step of this host. The caller hands the delivery over, and then calls
/// GrantService::record_handed_over() or record_lost().
struct Granted {
    vault::Delivery delivery;
    std::string note;                   ///< for the job's stderr; may be empty
    audit::Event event;                 ///< in the audit file already; not in the log
    std::vector<ItemAnswer> answers{};  ///< of this agent's own store, without values
};
struct Nothing {};
struct WaitForRun {
    RunId run;
};
using GrantAnswer = std::variant<Granted, Nothing, WaitForRun, Status>;

/// Grants to the steps on this host, the holds of their jobs and the end of these holds, and checks
/// of secret specs before a job is submitted. Not thread-safe.
class GrantService {
  public:
    GrantService(ServiceContext& context, Expiry& expiry, SpecResolver& resolver,
                 SecretService& secrets)
        : context_(context), expiry_(expiry), resolver_(resolver), secrets_(secrets) {}

    /// Answers the grant request of a step, made through slurmstepd. Returns WaitForRun if the run
    /// does not exist yet and may still be pushed.
    GrantAnswer grant_step(const plugin_protocol::GrantRequest& request);
    /// Returns the denial for a step whose run was not pushed while the step waited.
    Status deny_unpushed(const plugin_protocol::GrantRequest& request, const std::string& node,
                         const RunId& run) const;

    /// Records in the log that a step has its secrets, and when stored secrets were used.
    void record_handed_over(const plugin_protocol::GrantRequest& request, const Granted& granted);
    /// Records that a grant did not reach its step, and returns why. The job's hold stays: its next
    /// step may need the hold, and its epilog ends the hold.
    Status record_lost(const plugin_protocol::GrantRequest& request, const Granted& granted,
                       Status why);

    /// Wipes the hold of a job that ended. Returns the receipt as a sentence.
    std::string wipe(JobId job);

    /// Begins a round of the reaper. Returns the jobs that have had a hold for at least `age`, in
    /// order. The caller must ask Slurm after this call whether these jobs have ended.
    std::vector<JobId> begin_reaping(std::chrono::seconds age);
    /// Wipes the hold, if any, of a job that Slurm reports as ended and that had no epilog.
    /// Returns false and wipes nothing if the job was granted something since the round began,
    /// because the job is then running (again).
    bool reap(JobId job);

    /// Returns the answer that a secret spec would get: names, sources and sizes, without values.
    StatusOr<SpecCheck> check(const auth::Principal& caller, const std::string& text);
    /// Checks the secret spec of a job that `caller` is about to submit. Returns success if the
    /// spec has an answer, may get one because its run may be pushed after the submission, or can't
    /// be checked now and waiting does not help. A run of the caller's that is here is as good as
    /// it will be.
    Status check_submission(const auth::Principal& caller, const std::string& ask);

  private:
    GrantAnswer grant(const plugin_protocol::GrantRequest& request, const SecretSpec& ask);
    std::string wipe_hold(JobId job, audit::Kind kind, std::string_view what);

    ServiceContext& context_;
    Expiry& expiry_;
    SpecResolver& resolver_;
    SecretService& secrets_;
    JobRandoms randoms_{context_.vault};
};

}  // namespace secrets::service
