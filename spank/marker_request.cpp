// SPDX-License-Identifier: Apache-2.0
#include "spank/marker_request.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <variant>

#include "common/base/deadline.h"
#include "common/base/limits.h"
#include "common/base/unique_fd.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/unix_socket.h"

namespace secrets::spank {

namespace {

/// A process tree deeper than this was not made by a job's script.
constexpr int kMaxAncestors = 256;

/// Reads the beginning of a small file; empty if that fails.
std::string read_beginning(const std::string& path) {
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text(4096, '\0');
    const ssize_t count = file ? read(file.get(), text.data(), text.size()) : -1;
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
}

/// Tells whether a slurmstepd is among this process's ancestors. A process that left its session is
/// found by its cgroup alone.
bool descends_from_slurmstepd() {
    pid_t pid = getppid();
    for (int i = 0; i < kMaxAncestors && pid > 1; ++i) {
        // PID (NAME) STATE PARENT ...: the name may hold parentheses.
        const std::string stat = read_beginning("/proc/" + std::to_string(pid) + "/stat");
        const auto open = stat.find('(');
        const auto close = stat.rfind(')');
        if (open == stat.npos || close == stat.npos || close + 4 >= stat.size()) return false;
        if (stat.substr(open + 1, close - open - 1) == "slurmstepd") return true;
        pid = 0;
        std::from_chars(stat.data() + close + 4, stat.data() + stat.size(), pid);
    }
    return false;
}

bool is_inside_job() {
    return read_beginning("/proc/self/cgroup").find("slurm") != std::string::npos ||
           descends_from_slurmstepd();
}

constexpr std::chrono::milliseconds kPatienceOutsideJobs(200);

/// Tells whether this process does not see all its ancestors, as in a container.
bool is_in_pid_namespace() {
    constexpr std::string_view kOfHost = "pid:[4026531836]";  // PROC_PID_INIT_INO of Linux
    std::array<char, 64> text;
    const ssize_t length = readlink("/proc/self/ns/pid", text.data(), text.size());
    return length > 0 && std::string_view(text.data(), static_cast<std::size_t>(length)) != kOfHost;
}

/// Reads the marker from the descriptor that came with the agent's reply.
std::optional<Marker> read_marker(int fd, std::size_t length) {
    if (fd < 0 || length > kMaxMarkerBytes) return std::nullopt;
    std::string text(length, '\0');
    if (pread(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
        return std::nullopt;
    return parse_marker(text);
}

}  // namespace

MarkerAnswer request_marker(const std::string& job_socket, std::chrono::milliseconds patience) {
    const bool is_inside = is_inside_job();
    if (!is_inside && !is_in_pid_namespace()) return {};
    // A command in no job asked for nothing, and must not notice that the agent does not answer.
    const auto deadline =
        Deadline::in(is_inside ? patience : std::min(patience, kPatienceOutsideJobs));
    const auto fd = connect_seqpacket(job_socket, deadline);
    // A container on a login host is in no job: nobody needs to be told that its job is unknown.
    const auto unknown = [is_inside](std::string why) {
        return MarkerAnswer{std::nullopt, is_inside ? std::move(why) : ""};
    };
    if (!fd) {
        if (!deadline.passed()) return {};
        return unknown("the agent on this node does not answer");
    }
    const auto request =
        plugin_protocol::encode(plugin_protocol::Request(plugin_protocol::MarkerRequest{}));
    if (const Status lost = send_packet(fd->get(), request, deadline); !lost.ok())
        return unknown(lost.message());
    std::array<std::byte, kMaxMessageBytes> buffer;
    const auto packet = receive_packet(fd->get(), buffer, deadline);
    if (!packet) return unknown("the agent on this node does not answer");
    if (packet->size == 0) return unknown("the agent on this node closed the connection");
    const auto reply = plugin_protocol::decode_reply(std::span(buffer).first(packet->size));
    if (!reply) return unknown(reply.status().message());
    if (const auto* busy = std::get_if<plugin_protocol::Busy>(&*reply))
        return unknown(busy->sentence);
    const auto* marked = std::get_if<plugin_protocol::Marked>(&*reply);
    if (marked == nullptr) return {};
    auto marker = read_marker(packet->fd.get(), marked->marker_length);
    if (!marker) return unknown("the agent's marker cannot be read");
    return {std::move(marker), ""};
}

}  // namespace secrets::spank
