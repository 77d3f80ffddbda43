// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/job_values.h"

#include <array>
#include <chrono>

#include "common/base/deadline.h"
#include "common/base/limits.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/refused_version.h"
#include "common/ipc/unix_socket.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

constexpr auto kPatience = std::chrono::milliseconds(5000);

CommandError cannot_read(ExitCode code, const std::string& why) {
    return CommandError(code, "cannot read secrets of this job: " + why);
}

CommandError no_answer(const std::string& why) {
    return cannot_read(ExitCode::unreachable, "the agent on this node does not answer: " + why +
                                                  "; is slurm-secretsd running?");
}

CommandError refusal(const std::string& sentence) {
    if (!ipc::refuses_type(sentence)) return cannot_read(ExitCode::refused, sentence);
    return cannot_read(ExitCode::unreachable,
                       "slurm-secretsd on this node is older than secretctl and does not know the "
                       "request; upgrade it, or request variables: sbatch --secret=NAME");
}

Packet exchange(const std::string& job_socket, const std::string& spec,
                std::span<std::byte> buffer) {
    const auto deadline = Deadline::in(kPatience);
    const auto fd = connect_seqpacket(job_socket, deadline);
    if (!fd) throw no_answer(fd.status().message());
    const plugin_protocol::Request get =
        plugin_protocol::GetRequest{spec, static_cast<std::uint32_t>(deadline.poll_milliseconds())};
    const Status lost = send_packet(fd->get(), plugin_protocol::encode(get), deadline);
    // An agent with too many connections has answered, and reads nothing.
    if (!lost.ok() && !is_readable(fd->get())) throw no_answer(lost.message());
    auto packet = receive_packet(fd->get(), buffer, deadline);
    if (!packet) throw no_answer(packet.status().message());
    if (packet->size == 0) throw no_answer("it closed the connection");
    return std::move(packet).value();
}

}  // namespace

JobValues JobValues::read(const std::string& job_socket, const std::string& spec) {
    if (spec.size() > kMaxSpecBytes) {
        throw CommandError(ExitCode::bad_input,
                           "too many secrets are named: their text has " +
                               std::to_string(spec.size()) + " characters, and at most " +
                               std::to_string(kMaxSpecBytes) + " are accepted");
    }
    std::array<std::byte, kMaxMessageBytes> buffer;
    const Packet packet = exchange(job_socket, spec, buffer);
    const auto reply = plugin_protocol::decode_reply(std::span(buffer).first(packet.size));
    if (!reply) throw no_answer(reply.status().message());
    if (const auto* refused = std::get_if<plugin_protocol::Refused>(&*reply))
        throw refusal(refused->sentence);
    if (const auto* busy = std::get_if<plugin_protocol::Busy>(&*reply))
        throw cannot_read(ExitCode::unreachable, busy->sentence);
    if (!std::holds_alternative<plugin_protocol::Granted>(*reply))
        throw no_answer("its reply does not match the request");
    auto view = RegionView::map(packet.fd.get());
    if (!view) throw no_answer(view.status().message());
    auto entries = read_delivery(view->bytes());
    if (!entries) throw no_answer(entries.status().message());
    return {std::move(view).value(), std::move(entries).value()};
}

}  // namespace secrets::ctl
