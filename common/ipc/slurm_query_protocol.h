// SPDX-License-Identifier: Apache-2.0
#pragma once
// The view's wire: how the agent asks slurm-secrets-view which jobs have ended, who is in a Slurm
// account and whether jobs run where nodes say, on a SOCK_SEQPACKET socket. A connection carries
// one request, and one reply ends it.
//
// Every message has the form that common/ipc/message.h describes, with magic "SLV1" and version 1:
//
//     requests  1 JOBS     count u32, then `count` times: job u32
//               2 ACCOUNT  account: text; after: text
//               3 PLACES   count u32, then `count` times: job u32, owner u32, node: text,
//                          address: text
//     replies 101 STATES   count u32, then `count` times: state u32; sentence: text
//             102 REFUSED  sentence: text
//             103 USERS    known u32; more u32; count u32, then `count` times: user: text
//             104 VERDICTS count u32, then `count` times: verdict u32; sentence: text
//
// A count of jobs is 1 to kMaxJobsPerQuery. STATES answers each job in the order of the request:
// 1 active, 2 ended, 3 unknown. Its sentence says why states are unknown, and is empty where none
// is.
//
// USERS answers ACCOUNT with at most kMaxUsersPerReply users of the account, each once, in
// ascending order of their bytes, beginning behind the user `after` (empty: with the first). `more`
// is 1 where there are further ones, which the next ACCOUNT asks for. `known` is 0, and there are
// no users, where slurmctld knows no such account.
//
// VERDICTS answers each of 1 to kMaxPlacementsPerQuery places in the order of the request, with a
// number of Verdict. Its sentence is like that of STATES. Of a place whose job is 0 no more is
// asked than whether the node is at that address.

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

enum class JobState : std::uint32_t {
    active = 1,   ///< it has, or may have, something on a node
    ended = 2,    ///< it has nothing on any node: ended, waiting in the queue, or forgotten
    unknown = 3,  ///< nobody can tell: to be taken for active
};

/// Whether a job runs where a node says that it does.
enum class Verdict : std::uint32_t {
    runs_there = 1,
    does_not_run = 2,   ///< it has ended, waits in the queue, or was forgotten
    other_owner = 3,    ///< it is another user's
    other_node = 4,     ///< it runs, and not on that node
    other_address = 5,  ///< the node is not at that address
    unknown = 6,        ///< nobody can tell now
    is_node = 7,        ///< the node is at that address, and no job was asked about
};

struct JobsRequest {
    std::vector<JobId> jobs;
};
struct AccountRequest {
    std::string account;  ///< one that check_account_name() takes
    std::string after{};  ///< at most kMaxUserBytes
};
/// No job has that number.
inline constexpr JobId kNoJob{0};
struct Placement {
    JobId job;  ///< or kNoJob
    Uid owner;
    std::string node;     ///< at most kMaxNodeNameBytes
    std::string address;  ///< at most kMaxAddressBytes; an address as text
};
struct PlacementsRequest {
    std::vector<Placement> places;
};
using Request = std::variant<JobsRequest, AccountRequest, PlacementsRequest>;

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
using Reply = std::variant<States, Refused, Users, Verdicts>;

/// At most kMaxQueryMessageBytes where jobs, places, users and their names keep to their limits,
/// which the caller checks; sentences are cut.
Message encode(const Request& request);
Message encode(const Reply& reply);

/// Checks magic, version, type and length before it reads a body, and each field before it is used.
StatusOr<Request> decode_request(std::span<const std::byte> message);
StatusOr<Reply> decode_reply(std::span<const std::byte> message);

}  // namespace secrets::slurm_query
