// SPDX-License-Identifier: Apache-2.0
#pragma once
// Puts questions to slurmctld within bounds: whatever slurmctld does, an answer comes in time.

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/ipc/slurm_query_protocol.h"
#include "slurmview/query_thread.h"

namespace secrets::slurmview {

/// What was found out about a job.
struct Told {
    slurm_query::JobState state = slurm_query::JobState::unknown;
    std::string why;      ///< why it is unknown
    bool runs = false;    ///< its steps may run
    Uid owner{};          ///< where it runs
    std::string nodes{};  ///< the same, as Slurm writes a list of nodes
};

/// Who is in a Slurm account.
struct AccountUsers {
    bool known = false;              ///< whether slurmctld knows the account
    std::vector<std::string> users;  ///< ascending, each once
};

/// A node's name, and its NodeAddr: an address or a host's name.
using NodeAddresses = std::unordered_map<std::string, std::string>;

/// What is to be known of nodes.
struct NodeCalls {
    std::function<StatusOr<NodeAddresses>()> all;
    /// The names in a list of nodes.
    std::function<std::vector<std::string>(const std::string& list)> names_in;
    /// The addresses of a host, as text.
    std::function<std::vector<std::string>(const std::string& host)> addresses_of;
};

/// The calls to slurmctld, which take as long as they take.
struct ControllerCalls {
    /// About one job. The Error: slurmctld can't be asked, and it is no use to try with another job
    /// now.
    std::function<StatusOr<Told>(JobId)> ask_about_job;
    std::function<StatusOr<AccountUsers>(const std::string& account)> users_of;
    NodeCalls nodes{};
};

struct Bounds {
    /// After that long a question is answered with what is known by then.
    std::chrono::milliseconds patience = std::chrono::seconds(5);
    /// How long a job that was active is said to be that. That a job has ended is never said from
    /// memory: on this a hold is wiped, and the job may have started again.
    std::chrono::milliseconds memory = std::chrono::seconds(3);
    /// How long the users of an account are remembered, for those who ask for more of them.
    std::chrono::milliseconds memory_of_users = std::chrono::seconds(30);
    /// How long nodes are said to be at their addresses, and how soon they are asked for anew where
    /// one seems to be elsewhere.
    std::chrono::milliseconds memory_of_nodes = std::chrono::minutes(10);
    std::chrono::milliseconds doubt_of_nodes = std::chrono::seconds(5);
};

class PlacementCache;

/// One thread of its own asks, one question at a time. While that thread waits for slurmctld beyond
/// its question's time, further questions are refused. For use by one thread.
class QueryQueue {
  public:
    explicit QueryQueue(ControllerCalls calls, Bounds bounds = {});
    ~QueryQueue();

    slurm_query::Reply answer(const slurm_query::Request& request);

  private:
    using Time = std::chrono::steady_clock::time_point;
    struct OfJobs;
    struct OfAccount;
    struct OfPlaces;

    slurm_query::Reply states_of(std::span<const JobId> jobs);
    slurm_query::Reply users_of(const slurm_query::AccountRequest& request);
    slurm_query::Reply verdicts_on(std::span<const slurm_query::Placement> places);
    slurm_query::Refused still_waiting() const;
    std::string too_late() const;

    ControllerCalls calls_;
    Bounds bounds_;
    QueryThread thread_;
    std::shared_ptr<PlacementCache> places_;  ///< used by the thread alone
    std::unordered_map<JobId, Time> active_until_;
    std::string account_;  ///< whose users were asked for last
    AccountUsers users_;
    Time users_until_{};
};

}  // namespace secrets::slurmview
