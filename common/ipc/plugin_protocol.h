// SPDX-License-Identifier: Apache-2.0
#pragma once
// The protocol between plugin and agent on the node socket (GRANT, WIPE, BIND, PING) and the job
// socket (CHECK, MARKER, GET, PING), both SOCK_SEQPACKET. A connection carries one request. One
// reply, with at most one descriptor, ends the connection; before that reply the agent may send
// WAITING once.
//
// Every message has the form that common/ipc/message.h describes, with magic "SLS1" and version 1,
// but GRANT version 2:
//
//     requests  1 GRANT    job u32, step u32, uid u32, wait_ms u32, patience_ms u32, spec: text,
//                        node: text, or nothing
//               2 WIPE     job u32
//               3 PING     -
//               4 CHECK    spec: text
//               5 MARKER   -
//               6 GET      patience_ms u32, spec: text
//               7 BIND     job u32, uid u32, run id: text
//     replies 101 GRANTED  image length u32, note: text
//             102 NOTHING  note: text
//             103 WAITING  wait_ms u32
//             104 REFUSED  sentence: text
//             105 DONE     note: text
//             106 BUSY     sentence: text
//             107 MARKED   marker length u32
//
// Plugin and agent are upgraded at different times. An agent accepts version 1 of GRANT, which has
// no patience_ms; all other messages are the same in both versions. An agent that has only version
// 1 refuses version 2 with a sentence that begins with ipc::kOtherVersion, and the plugin then
// sends version 1.
//
// node: Slurm's name of this node, for hubs; none where slurmstepd does not know it.
//
// patience_ms: how long the plugin waits for the reply, besides wait_ms. The deadlines of all that
// the agent does for the reply derive from this number: its questions to the name service, the
// store, a hub, and the hub's to slurmctld.
//
// The delivery's descriptor comes with GRANTED. NOTHING: no requested secret exists, and the spec
// allows that. WAITING: the run is not pushed yet, and a reply follows within wait_ms. The note of
// DONE is the receipt of a WIPE, or the agent's version for a PING. BUSY: the agent reads no
// request of this client now, or cannot answer MARKER now. MARKED answers MARKER with a descriptor
// from which the marker of the job around the client can be read (common/ipc/marker.h); it holds no
// value. An agent that does not know MARKER or GET refuses it with a sentence that
// ipc::refuses_type() recognizes.
//
// GET requests values that the job around the client requested. Its spec has items only, of which
// `:file` is for values that may hold NUL; an empty one requests all. GRANTED answers it with a
// delivery, REFUSED means that the client may not have them, and BUSY that this cannot be known
// now.
//
// BIND says that the job is the head of the run, which is to end with it; DONE answers it. An agent
// that does not know BIND refuses it.
//
// A text is its length (u32) and as many bytes, and it ends the message. Notes and sentences are
// printable ASCII. A spec is sent as the user wrote it, and the agent reports errors in it.

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/ipc/message.h"

namespace secrets::plugin_protocol {

/// Requests the secrets of one step on this node; sent by slurmstepd.
struct GrantRequest {
    JobId job;
    StepId step;
    Uid uid;
    std::uint32_t wait_milliseconds = 0;  ///< how long to wait for a run that is not pushed yet
    std::string ask;
    std::uint32_t patience_milliseconds = 0;  ///< see above; 0: the plugin does not say it
    std::string node{};                       ///< Slurm's name of this node; sent with a patience
};
/// Reports that the job has ended on this node.
struct WipeRequest {
    JobId job;
};
/// Checks that the agent is running.
struct PingRequest {};
/// Asks, before a job is submitted, whether its secret spec would be granted.
struct CheckRequest {
    std::string ask;
};
/// Ends a run with its head job; sent by slurmstepd.
struct BindRequest {
    JobId job;
    Uid uid;
    std::string run;
};
/// Requests the marker of the job around the client; sent by sbatch, srun and salloc.
struct MarkerRequest {};
/// Requests values of the job around the client; sent by secretctl.
struct GetRequest {
    std::string spec;
    std::uint32_t patience_milliseconds = 0;  ///< how long the client waits for the reply
};
/// Returns how long an agent may take for its reply to the request, or to the plugin's question
/// after a wait: less than the plugin waits, so that the plugin has the reply in time.
std::chrono::milliseconds time_to_answer(const GrantRequest& grant);

using Request = std::variant<GrantRequest, WipeRequest, PingRequest, CheckRequest, MarkerRequest,
                             GetRequest, BindRequest>;

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
struct Marked {
    std::uint32_t marker_length = 0;
};
using Reply = std::variant<Granted, Nothing, Waiting, Refused, Done, Busy, Marked>;

/// Encodes a message of at most kMaxMessageBytes. Always succeeds: sentences that are too long are
/// cut. Specs are not cut: the caller checks kMaxSpecBytes.
ipc::Message encode(const Request& request);
ipc::Message encode(const Reply& reply);

/// Decodes a message. Checks magic, version, type and length before reading a body, and each field
/// before using it.
StatusOr<Request> decode_request(std::span<const std::byte> message);
StatusOr<Reply> decode_reply(std::span<const std::byte> message);

}  // namespace secrets::plugin_protocol
