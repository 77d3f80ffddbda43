#pragma once
// The view's wire: how the agent asks slurm-secrets-view which jobs have ended, on a SOCK_SEQPACKET
// socket. A connection carries one request, and one reply ends it.
//
// Every message has the form that common/message.h describes, with magic "SLV1" and version 1:
//
//     request   1 JOBS     count u32, then `count` times: job u32
//     replies 101 STATES   count u32, then `count` times: state u32; sentence: text
//             102 REFUSED  sentence: text
//
// A count is 1 to kMaxJobsPerQuestion. STATES answers each job in the order of the request: 1
// active, 2 ended, 3 unknown. Its sentence says why states are unknown, and is empty where none is.

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/message.h"
#include "common/result.h"

namespace secrets::view_wire {

using wire::Message;

enum class JobState : std::uint32_t {
    active = 1,   ///< it has, or may have, something on a node
    ended = 2,    ///< it has nothing on any node: ended, waiting in the queue, or forgotten
    unknown = 3,  ///< nobody can tell: to be taken for active
};

struct JobsRequest {
    std::vector<JobId> jobs;
};

struct States {
    std::vector<JobState> states;
    std::string sentence;
};
struct Refused {
    std::string sentence;
};
using Reply = std::variant<States, Refused>;

/// At most kMaxViewMessageBytes where there are at most kMaxJobsPerQuestion jobs, which the caller
/// checks; sentences are cut.
Message encode(const JobsRequest& request);
Message encode(const Reply& reply);

/// Checks magic, version, type and length before it reads a body, and each field before it is used.
Result<JobsRequest> decode_request(std::span<const std::byte> message);
Result<Reply> decode_reply(std::span<const std::byte> message);

}  // namespace secrets::view_wire
