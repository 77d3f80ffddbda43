// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sends queries to slurmctld, slurmd and the name service within bounds: whatever they do, a reply
// comes in time.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/ipc/slurm_query_protocol.h"
#include "slurmview/query_thread.h"

namespace secrets::slurmview {

/// The result of a query for a job.
struct Told {
    slurm_query::JobState state = slurm_query::JobState::unknown;
    std::string why;      ///< why the state is unknown
    bool runs = false;    ///< the job's steps may run
    Uid owner{};          ///< if the job runs, or was asked about for its end
    std::string nodes{};  ///< if the job runs, as Slurm writes a list of nodes
    /// slurmctld may have lost or never saved that the job runs: it waits in the queue, or is
    /// forgotten.
    bool is_doubtful = false;
};

/// The users of a Slurm account.
struct AccountUsers {
    bool known = false;              ///< whether slurmctld knows the account
    std::vector<std::string> users;  ///< ascending, each once
};

/// A node's name, and its NodeAddr: an address or a host's name.
using NodeAddresses = std::unordered_map<std::string, std::vector<std::string>>;

/// The calls that query nodes.
struct NodeCalls {
    std::function<StatusOr<NodeAddresses>()> all;
    /// Returns the names in a list of nodes. Does not block, and is called by any thread.
    std::function<StatusOr<std::vector<std::string>>(const std::string& list)> names_in;
    /// Returns the addresses of a host, as text.
    std::function<StatusOr<std::vector<std::string>>(const std::string& host)> addresses_of;
};

/// The calls to slurmctld and to this host's slurmd, which have no time limit.
struct ControllerCalls {
    /// Queries one job. Returns a Status if slurmctld can't be queried and a query for another job
    /// would fail now, too.
    std::function<StatusOr<Told>(JobId)> ask_about_job;
    std::function<StatusOr<AccountUsers>(const std::string& account)> users_of;
    NodeCalls nodes{};
    std::function<StatusOr<JobId>(std::uint32_t pid)> job_of_process{};
    /// Returns the jobs that have a step on this host.
    std::function<StatusOr<std::set<JobId>>()> jobs_with_steps{};
    /// Queries whether a job, with all that belongs to its id, has ended for good. The Status is as
    /// of ask_about_job.
    std::function<StatusOr<Told>(JobId)> ask_for_end{};
};

struct Bounds {
    /// The time after which a query is answered with the results so far, whatever it waited for.
    std::chrono::milliseconds patience = std::chrono::seconds(5);
    /// How long an active job is reported as active without a new query. That a job has ended is
    /// never answered from the cache: a hold is wiped because of it, and the job may have started
    /// again.
    std::chrono::milliseconds memory = std::chrono::seconds(3);
    /// How long the users of an account are cached for clients that request more of them.
    std::chrono::milliseconds memory_of_users = std::chrono::seconds(30);
    /// How long the addresses of nodes are cached, and the least age at which they are queried
    /// again if a node seems to be elsewhere.
    std::chrono::milliseconds memory_of_nodes = std::chrono::minutes(10);
    std::chrono::milliseconds doubt_of_nodes = std::chrono::seconds(5);
    /// The least age at which a failed lookup of nodes or of a host is repeated.
    std::chrono::milliseconds memory_of_failures = std::chrono::seconds(5);
    /// How long a query waits for further verdicts once there is one: the client asks for the
    /// others again.
    std::chrono::milliseconds patience_for_rest = std::chrono::milliseconds(200);
    /// The time after which a query for the job of a process is answered, less than the agent
    /// waits, and how many such queries may wait: any user can make the agent send some.
    std::chrono::milliseconds patience_for_process = std::chrono::milliseconds(600);
    unsigned most_processes = 16;
};

class PlacementQueries;

/// Runs one query to each of slurmctld, slurmd and the name service at a time, on a thread of its
/// own. While one of them takes longer than a query's time, further queries to it are rejected.
/// What is answered from memory waits for nobody. Thread-safe.
class QueryQueue {
  public:
    explicit QueryQueue(ControllerCalls calls, Bounds bounds = {});
    ~QueryQueue();

    slurm_query::Reply answer(const slurm_query::Request& request);

  private:
    using Time = std::chrono::steady_clock::time_point;
    struct OfJobs;
    struct OfAccount;
    struct OfProcess;
    struct OfSteps;

    slurm_query::Reply states_of(std::span<const JobId> jobs);
    slurm_query::Reply ends_of(const slurm_query::JobsRequest& asked);
    void check_steps(std::span<const JobId> doubtful, std::span<const JobId> jobs, Time until,
                     slurm_query::States& reply);
    slurm_query::Reply users_of(const slurm_query::AccountRequest& request);
    slurm_query::Reply job_of(std::uint32_t pid);
    template <typename Question>
    std::optional<slurm_query::Reply> refusal_of(QueryThread& thread,
                                                 const std::shared_ptr<Question>& question,
                                                 Time until);

    ControllerCalls calls_;
    Bounds bounds_;
    QueryThread controller_;
    QueryThread slurmd_;
    QueryThread resolver_;
    std::unique_ptr<PlacementQueries> places_;
    std::mutex mutex_;  ///< of what follows
    std::unordered_map<JobId, Time> active_until_;
    std::string account_;  ///< the account whose users were queried last
    AccountUsers users_;
    Time users_until_{};
    std::atomic<unsigned> processes_{0};  ///< the queries for the job of a process
};

}  // namespace secrets::slurmview
