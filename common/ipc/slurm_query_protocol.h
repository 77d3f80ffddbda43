// SPDX-License-Identifier: Apache-2.0
#pragma once
// The protocol by which the agent queries slurm-secrets-view for ended jobs, the users of a Slurm
// account, and whether jobs run on the nodes that claim them, on a SOCK_SEQPACKET socket. A
// connection carries one request, and one reply ends the connection.
//
// Every message has the form that common/ipc/message.h describes, with magic "SLV1" and version 1
// or 2:
//
//     requests  1 JOBS     count u32, then `count` times: job u32
//               2 ACCOUNT  account: text; after: text
//               3 PLACES   count u32, then `count` times: job u32, owner u32, node: text,
//                          address: text
//               4 PROCESS  pid u32
//               5 RECALL   as PLACES
//               6 ENDS     count u32, then `count` times: job u32, owner u32
//     replies 101 STATES   count u32, then `count` times: state u32; sentence: text
//             102 REFUSED  sentence: text
//             103 USERS    known u32; more u32; count u32, then `count` times: user: text
//             104 VERDICTS count u32, then `count` times: verdict u32; sentence: text
//             105 JOB      job u32
//
// A count of jobs is 1 to kMaxJobsPerQuery. STATES answers for each job in the order of the
// request: 1 active, 2 ended, 3 unknown, 4 forgotten. Its sentence states why states are unknown,
// and is empty if none is.
//
// STATES answers ENDS alike, but about the job as its user sees it: a job that waits in the queue,
// to start or to start again, and one of whose array or heterogeneous job something has not ended,
// is active, and nothing comes from memory. Which steps slurmd has does not matter. A job that has
// ended and belongs to another user than `owner` is forgotten: slurmctld has lost its state, and
// given the number again. 4294967295 stands for any user.
//
// USERS answers ACCOUNT with at most kMaxUsersPerReply users of the account, each once, in
// ascending order of their bytes, beginning after the user `after` (empty: with the first). `more`
// is 1 if there are further users, which the next ACCOUNT requests. If slurmctld knows no such
// account, `known` is 0 and there are no users.
//
// VERDICTS answers for each of 1 to kMaxPlacementsPerQuery placements in the order of the request
// with a number of Verdict. Its sentence is like that of STATES. For a placement with job 0, only
// the address of the node is checked. RECALL is answered alike, at once and from memory only:
// a verdict that needs a lookup is unknown, and the sentence empty.
//
// JOB answers PROCESS with the job to which the process belongs on this host, by the word of its
// slurmd; 0 if it belongs to none.
//
// Agent and slurm-secrets-view are upgraded at different times. A reply has the version of its
// request, REFUSED version 1 if the request cannot be read. All messages have the same form in both
// versions; version 1 lacks the state 4 and the verdicts 8 and 9, and has 3 and 6 in their place. A
// slurm-secrets-view that has only version 1 refuses version 2 with a sentence that
// ipc::refuses_version() recognizes, and the agent then sends version 1.

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/ipc/message.h"

namespace secrets::slurm_query {

using ipc::Message;

inline constexpr std::uint16_t kOldestVersion = 1;
inline constexpr std::uint16_t kNewestVersion = 2;

enum class JobState : std::uint32_t {
    active = 1,     ///< the job has, or may have, something on a node
    ended = 2,      ///< the job has nothing on any node: ended, or waiting in the queue
    unknown = 3,    ///< cannot be determined: to be treated as active
    forgotten = 4,  ///< slurmctld does not know the job, as if it lost its state, and this host's
                    ///   slurmd has no step of the job
};

/// Whether a job runs on the node that claims it.
enum class Verdict : std::uint32_t {
    runs_there = 1,
    does_not_run = 2,   ///< the job has ended or waits in the queue
    other_owner = 3,    ///< the job belongs to another user
    other_node = 4,     ///< the job runs, but not on that node
    other_address = 5,  ///< the node is not at that address
    unknown = 6,        ///< cannot be determined now
    is_node = 7,        ///< the node is at that address, and the query named no job
    no_node = 8,        ///< slurmctld does not list that node now, perhaps because it has just
                        ///   started
    unknown_job = 9,    ///< slurmctld does not know the job: it ended long ago, or slurmctld lost
                        ///   its state
};

/// The number that no user has.
inline constexpr Uid kAnyUser{UINT32_MAX};
struct JobsRequest {
    std::vector<JobId> jobs;
    bool for_good = false;      ///< ENDS, else JOBS
    std::vector<Uid> owners{};  ///< of ENDS: one for each job, or kAnyUser
};
struct AccountRequest {
    std::string account;  ///< one that check_account_name() accepts
    std::string after{};  ///< at most kMaxUserBytes
};
/// The number that no job has.
inline constexpr JobId kNoJob{0};
struct Placement {
    JobId job;  ///< or kNoJob
    Uid owner;
    std::string node;     ///< at most kMaxNodeNameBytes
    std::string address;  ///< at most kMaxAddressBytes; an address as text
};
struct PlacementsRequest {
    std::vector<Placement> places;
    bool may_look_up = true;  ///< PLACES, else RECALL
};
struct ProcessRequest {
    std::uint32_t pid = 0;
};
using Request = std::variant<JobsRequest, AccountRequest, PlacementsRequest, ProcessRequest>;

struct States {
    std::vector<JobState> states;
    std::string sentence;
};
struct Refused {
    std::string sentence;
};
struct Users {
    bool known = false;
    bool more = false;
    std::vector<std::string> users;
};
struct Verdicts {
    std::vector<Verdict> verdicts;
    std::string sentence;
};
struct JobOfProcess {
    JobId job;  ///< or kNoJob
};
using Reply = std::variant<States, Refused, Users, Verdicts, JobOfProcess>;

/// Encodes a message of at most kMaxQueryMessageBytes, provided that jobs, placements, users and
/// their names are within their limits, which the caller checks. Sentences are cut.
Message encode(const Request& request, std::uint16_t version = kNewestVersion);
Message encode(const Reply& reply, std::uint16_t version = kNewestVersion);

/// Decodes a message. Checks magic, version, type and length before reading a body, and each field
/// before using it.
StatusOr<Request> decode_request(std::span<const std::byte> message);
StatusOr<Reply> decode_reply(std::span<const std::byte> message);

}  // namespace secrets::slurm_query
