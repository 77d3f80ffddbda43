// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/service/expiry.h"
#include "agentd/service/precondition.h"

namespace secrets::service {

/// The content of a push. The values are already decoded.
struct PushRequest {
    std::optional<std::string> owner;
    std::optional<std::string> ttl;
    std::vector<vault::NewSecret> secrets;
    std::optional<JobId> until_job{};  ///< absent: as before the push
};

/// A description of a run for principals that may read the run: names and sizes, without values.
/// All its times are of the wall clock.
struct RunInfo {
    struct Secret {
        std::string name;
        vault::Scope scope;
        std::size_t bytes;
    };
    struct Holder {
        JobId job;
        vault::Time since;
    };
    vault::RunHead head;
    std::string owner;
    std::vector<Secret> secrets;
    std::vector<Holder> holders;
    std::vector<NodeHoldRegistry::Holding> nodes{};  ///< of a hub: the nodes that hold grants;
                                                     ///   not in a list
    std::optional<vault::Time> ended{};              ///< if it ended, but nodes hold grants
};

/// A part of the list of runs, sorted by id.
struct RunPage {
    std::vector<RunInfo> runs;
    bool has_more = false;  ///< whether there are runs after the last one of the page
};

struct PushResult {
    RunInfo run;
    bool created = false;
};

/// The runs: pushed by platforms and people, read, and completed. Not thread-safe.
class RunService {
  public:
    RunService(ServiceContext& context, Expiry& expiry) : context_(context), expiry_(expiry) {}

    /// Checks a push before its body is read. Returns success if the push may go on.
    Status check_push(const auth::Principal& caller, const RunId& run);
    StatusOr<PushResult> push_run(const auth::Principal& caller, const RunId& run,
                                  const PushRequest& request,
                                  const Precondition& precondition = {});
    /// Records and returns the rejection of a push whose body is malformed.
    Status reject_unreadable_push(const auth::Principal& caller, const RunId& run,
                                  Status refusal) const;
    StatusOr<RunInfo> read_run(const auth::Principal& caller, const RunId& run);
    /// Returns the first `most` runs, at least one, that the caller may read and whose ids come
    /// after `after`. Takes time for these, and for the owners of runs.
    StatusOr<RunPage> list_runs(const auth::Principal& caller, std::string_view after,
                                std::size_t most);
    /// Wipes the run. If there is no such run, only notes that, as an earlier process may have lost
    /// it.
    StatusOr<vault::WipeReceipt> complete_run(const auth::Principal& caller, const RunId& run,
                                              const Precondition& precondition = {});
    bool has_run(const RunId& run) const { return context_.vault.find_run(run) != nullptr; }

  private:
    StatusOr<Uid> owner_of_push(const auth::Principal& caller, const PushRequest& request) const;
    StatusOr<vault::Time> expiry_of_push(const PushRequest& request, vault::Time now) const;
    Status check_secrets(const std::vector<vault::NewSecret>& secrets) const;
    Status not_known(const auth::Principal& caller, const RunId& run) const;
    Status check_share(const vault::RunHead& head, std::span<const vault::NewSecret> secrets) const;
    StatusOr<std::vector<Uid>> readable_owners(const auth::Principal& caller) const;
    RunInfo summarize(const vault::RunHead& head) const;
    RunInfo describe(const vault::RunHead& head) const;

    ServiceContext& context_;
    Expiry& expiry_;
};

}  // namespace secrets::service
