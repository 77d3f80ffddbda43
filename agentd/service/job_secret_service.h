// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agentd/audit/event.h"
#include "agentd/service/spec_resolver.h"

namespace secrets::service {

/// A value that a process requests, and the variable that has it in a grant of its job.
struct WantedValue {
    SpecItem item;
    std::string variable;
};

/// What a process requests of one grant of its job.
struct WantedPart {
    std::string ask;      ///< the grant's secret spec
    SecretSpec narrowed;  ///< the part of that spec that the values need
    std::vector<WantedValue> values;
    bool wants_all = false;  ///< requests all that a run gave; `values` is empty
};

/// What a process requests of its job.
struct JobRead {
    JobId job;
    Uid owner;
    std::vector<WantedPart> parts;
    std::string spec;  ///< what was requested; empty: all
};

/// Values for a process of a job.
struct ReadValues {
    vault::Delivery delivery;
    std::optional<audit::Event> event{};  ///< in the audit file already; nothing if an earlier
                                          ///  one says the same
    std::string note{};                   ///< for the process's stderr; may be empty
};

/// Gives processes of jobs on this host values that their jobs requested. Not thread-safe.
class JobSecretService {
  public:
    JobSecretService(ServiceContext& context, SpecResolver& resolver)
        : context_(context), resolver_(resolver) {}

    /// Finds what `spec` requests among the grants of `uid`'s job; all of them if it is empty. The
    /// job's first grant with a name counts. Returns a denial if the job has no hold on this host,
    /// is another user's, or never requested a name.
    StatusOr<JobRead> find(JobId job, Uid uid, const std::string& spec) const;

    /// Returns the values of a part as they are now, on an agent that resolves specs itself.
    StatusOr<vault::Delivery> read(const JobRead& request, const WantedPart& part);

    /// Makes the delivery for the process. `grants` has the values of each part.
    StatusOr<ReadValues> deliver(const JobRead& request, std::span<const vault::Delivery> grants);

    /// Records that a process was denied values, and returns why. `job`: nothing if unknown.
    Status deny(std::optional<JobId> job, Uid uid, const std::string& spec, Status why) const;

    /// Returns the request for a part as one of the job, for a hub.
    static plugin_protocol::GrantRequest request_for(const JobRead& request,
                                                     const WantedPart& part);

  private:
    Status check_hold(JobId job, Uid uid) const;
    Status record(const JobRead& request, const std::set<std::string>& names, ReadValues& read);

    ServiceContext& context_;
    SpecResolver& resolver_;
    /// The names that the log has, of each job's hold.
    std::map<std::pair<JobId, vault::Time>, std::set<std::string>> recorded_;
};

}  // namespace secrets::service
