// SPDX-License-Identifier: Apache-2.0
#pragma once
// The local wire: what plugin and agent say to one another on the node door (ASK, WIPE, PING) and
// the job door (CHECK, PING), SOCK_SEQPACKET sockets. A connection carries one request. One reply
// ends it, at most one descriptor with it; before that reply the agent may send WAITING once.
//
// Every message has the form that common/ipc/message.h describes, with magic "SLS1" and version 1:
//
//     requests  1 ASK      job u32, step u32, uid u32, wait_ms u32, ask: text
//               2 WIPE     job u32
//               3 PING     -
//               4 CHECK    ask: text
//     replies 101 GRANTED  image length u32, note: text; the delivery's descriptor comes with it
//             102 NOTHING  note: text       what was asked for is not there, and that is no error
//             103 WAITING  wait_ms u32      the run is not pushed yet; an answer within wait_ms
//             104 REFUSED  sentence: text
//             105 DONE     note: text       WIPE: the receipt; PING: the agent's version
//             106 BUSY     sentence: text   no request of this client is read now; not about any
//
// A text is its length (u32) and as many bytes, and it ends the message. Notes and sentences are
// printable ASCII; an ask is whatever the user wrote, and the agent says what is wrong with it.

#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/ipc/message.h"

namespace secrets::plugin_protocol {

/// slurmstepd wants the secrets of one step on this node.
struct GrantRequest {
    JobId job;
    StepId step;
    Uid uid;
    std::uint32_t wait_milliseconds = 0;  ///< how long to wait for a run that is not pushed yet
    std::string ask;
};
/// The job has ended on this node.
struct WipeRequest {
    JobId job;
};
/// Is anybody there?
struct PingRequest {};
/// Somebody is about to submit a job: would its ask be answered?
struct CheckRequest {
    std::string ask;
};
using Request = std::variant<GrantRequest, WipeRequest, PingRequest, CheckRequest>;

struct Granted {
    std::uint32_t image_length = 0;
    std::string note;
};
struct Nothing {
    std::string note;
};
struct Waiting {
    std::uint32_t wait_milliseconds = 0;
};
struct Refused {
    std::string sentence;
};
struct Done {
    std::string note;
};
struct Busy {
    std::string sentence;
};
using Reply = std::variant<Granted, Nothing, Waiting, Refused, Done, Busy>;

/// At most kMaxMessageBytes; a text that is too long is cut (sentences), so it always succeeds.
/// Asks are not cut: the caller checks kMaxSpecBytes.
ipc::Message encode(const Request& request);
ipc::Message encode(const Reply& reply);

/// Checks magic, version, type and length before it reads a body, and each field before it is used.
StatusOr<Request> decode_request(std::span<const std::byte> message);
StatusOr<Reply> decode_reply(std::span<const std::byte> message);

}  // namespace secrets::plugin_protocol
