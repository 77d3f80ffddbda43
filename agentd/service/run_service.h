// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agentd/service/expiry.h"
#include "agentd/service/precondition.h"

namespace secrets::service {

/// What a platform pushes. Values are already out of their encoding.
struct PushRequest {
    std::optional<std::string> owner;
    std::optional<std::string> ttl;
    std::vector<vault::NewSecret> secrets;
};

/// A run for those who may see it: names and sizes, no value.
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
    std::vector<NodeHoldRegistry::Holding> nodes{};  ///< of a hub: which hold something of it
    std::optional<vault::Time> ended{};              ///< it is over, and nodes still hold of it
};

struct PushResult {
    RunInfo run;
    bool created = false;
};

/// The runs: pushed by platforms and people, read, and completed. Not thread-safe.
class RunService {
  public:
    RunService(ServiceContext& context, Expiry& expiry) : context_(context), expiry_(expiry) {}

    /// What can be said of a push before its body is read; nothing when it may go on.
    Status check_push(const auth::Principal& caller, const RunId& run);
    StatusOr<PushResult> push_run(const auth::Principal& caller, const RunId& run,
                                  const PushRequest& request,
                                  const Precondition& precondition = {});
    /// The refusal of a push whose body can't be read.
    Status reject_unreadable_push(const auth::Principal& caller, const RunId& run,
                                  Status refusal) const;
    StatusOr<RunInfo> read_run(const auth::Principal& caller, const RunId& run);
    StatusOr<std::vector<RunInfo>> list_runs(const auth::Principal& caller);
    /// Also fine when there is no such run.
    StatusOr<vault::WipeReceipt> complete_run(const auth::Principal& caller, const RunId& run,
                                              const Precondition& precondition = {});
    bool has_run(const RunId& run) const { return context_.vault.find_run(run) != nullptr; }

  private:
    /// The jobs that hold each run.
    using Holders = std::map<std::string, std::vector<RunInfo::Holder>, std::less<>>;

    StatusOr<Uid> owner_of_push(const auth::Principal& caller, const PushRequest& request) const;
    StatusOr<vault::Time> expiry_of_push(const PushRequest& request, vault::Time now) const;
    Status check_secrets(const std::vector<vault::NewSecret>& secrets) const;
    RunInfo describe(const vault::RunHead& head, const Holders& holders) const;
    Holders holders() const;

    ServiceContext& context_;
    Expiry& expiry_;
};

}  // namespace secrets::service
