// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/job_values.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <optional>
#include <thread>
#include <variant>

#include "common/base/deadline.h"
#include "common/base/limits.h"
#include "common/ipc/not_in_job.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/refused_version.h"
#include "common/ipc/unix_socket.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

constexpr auto kPatience = std::chrono::milliseconds(5000);
constexpr auto kFirstPause = std::chrono::milliseconds(10);
constexpr auto kLongestPause = std::chrono::milliseconds(200);

CommandError cannot_read(ExitCode code, const std::string& why) {
    return CommandError(code, "cannot read secrets of this job: " + why);
}

CommandError no_answer(const std::string& why) {
    return cannot_read(ExitCode::unreachable, "the agent on this node does not answer: " + why +
                                                  "; is slurm-secretsd running?");
}

/// Tells whether this process is in the cgroup of a job's step. The cgroup of the job is named by
/// its number or, in Slurm 26.05, by an id of another kind.
bool is_in_cgroup_of_job() {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        const auto slurm = line.find("slurm");
        if (slurm != line.npos && line.find("/step_", slurm) != line.npos) return true;
    }
    return false;
}

CommandError refusal(const std::string& sentence) {
    // slurmd leaves out a step that it cannot ask.
    if (sentence.starts_with(ipc::kNotInJob) && is_in_cgroup_of_job()) {
        return cannot_read(ExitCode::unreachable,
                           "slurmd does not know this process as one of a job now, although it is "
                           "in the cgroup of one; try again");
    }
    if (!ipc::refuses_type(sentence)) return cannot_read(ExitCode::refused, sentence);
    return cannot_read(ExitCode::unreachable,
                       "slurm-secretsd on this node is older than secretctl and does not know the "
                       "request; upgrade it, or request variables: sbatch --secret=NAME");
}

/// A reply, and the descriptor that came with it.
struct Answer {
    plugin_protocol::Reply reply;
    UniqueFd fd;
};

/// Returns no answer if the agent closed the connection without one, as it does with connections of
/// a user who has too many.
std::optional<Answer> exchange(const std::string& job_socket, const std::string& spec,
                               const Deadline& deadline) {
    const auto fd = connect_seqpacket(job_socket, deadline);
    if (!fd) throw no_answer(fd.status().message());
    const plugin_protocol::Request get =
        plugin_protocol::GetRequest{spec, static_cast<std::uint32_t>(deadline.poll_milliseconds())};
    const Status lost = send_packet(fd->get(), plugin_protocol::encode(get), deadline);
    // An agent with too many connections has answered, and reads nothing.
    if (!lost.ok() && !is_readable(fd->get())) throw no_answer(lost.message());
    std::array<std::byte, kMaxMessageBytes> buffer;
    auto packet = receive_packet(fd->get(), buffer, deadline);
    if (!packet) throw no_answer(packet.status().message());
    if (packet->size == 0) return std::nullopt;
    auto reply = plugin_protocol::decode_reply(std::span(buffer).first(packet->size));
    if (!reply) throw no_answer(reply.status().message());
    return Answer{std::move(reply).value(), std::move(packet->fd)};
}

/// Asks again, in time, while the agent cannot answer now: all tasks of a step may ask at once.
Answer ask(const std::string& job_socket, const std::string& spec) {
    const auto deadline = Deadline::in(kPatience);
    auto pause = kFirstPause;
    auto answer = exchange(job_socket, spec, deadline);
    while (!answer || std::holds_alternative<plugin_protocol::Busy>(answer->reply)) {
        if (deadline.poll_milliseconds() <= 2 * pause.count()) break;
        std::this_thread::sleep_for(pause);
        pause = std::min(2 * pause, kLongestPause);
        try {
            answer = exchange(job_socket, spec, deadline);
        } catch (const CommandError&) {
            if (!answer) throw;
            break;  // the agent's own sentence says more
        }
    }
    if (!answer) throw no_answer("it closed the connection");
    return std::move(*answer);
}

}  // namespace

JobValues JobValues::read(const std::string& job_socket, const std::string& spec) {
    if (spec.size() > kMaxSpecBytes) {
        throw CommandError(ExitCode::bad_input,
                           "too many secrets are named: their text has " +
                               std::to_string(spec.size()) + " characters, and at most " +
                               std::to_string(kMaxSpecBytes) + " are accepted");
    }
    const Answer answer = ask(job_socket, spec);
    if (const auto* refused = std::get_if<plugin_protocol::Refused>(&answer.reply))
        throw refusal(refused->sentence);
    if (const auto* busy = std::get_if<plugin_protocol::Busy>(&answer.reply))
        throw cannot_read(ExitCode::unreachable, busy->sentence);
    const auto* granted = std::get_if<plugin_protocol::Granted>(&answer.reply);
    if (granted == nullptr) throw no_answer("its reply does not match the request");
    auto view = RegionView::map(answer.fd.get());
    if (!view) {
        throw cannot_read(ExitCode::unreachable,
                          "the values cannot be mapped: " + view.status().message() +
                              "; the limit of locked memory (ulimit -l) must allow for them");
    }
    auto entries = read_delivery(view->bytes());
    if (!entries) throw no_answer(entries.status().message());
    return {std::move(view).value(), std::move(entries).value(), granted->note};
}

}  // namespace secrets::ctl
