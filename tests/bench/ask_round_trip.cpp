// SPDX-License-Identifier: Apache-2.0
// Compares one GRANT of the real agent with the cost of any answer over such a socket: connect, one
// packet each way with a descriptor of a secret region, map, read, unmap.
// usage: ask_round_trip NODE_SOCKET RUN UID ROUNDS   (root; the run has ten secrets of that user)
// Prints the medians in microseconds and their ratio; the two are measured in turns.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/base/limits.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/unix_socket.h"
#include "common/secure_memory/delivery.h"
#include "common/secure_memory/locked_region.h"

namespace {

using namespace secrets;
using Clock = std::chrono::steady_clock;

Deadline soon() {
    return Deadline::in(std::chrono::seconds(5));
}

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "ask_round_trip: %s\n", what.c_str());
    std::exit(1);
}

template <typename T>
T take(StatusOr<T> result) {
    if (!result) fail(result.status().message());
    return std::move(result).value();
}

/// Runs the bare server: sends each packet back, with a descriptor of a region made before.
[[noreturn]] void echo(int listener) {
    const LockedRegion region = take(LockedRegion::create(1, best_memory_kind()));
    std::array<std::byte, kMaxMessageBytes> buffer;
    while (true) {
        UniqueFd connection(accept(listener, nullptr, nullptr));
        if (!connection) std::exit(0);
        const Packet packet = take(receive_packet(connection.get(), buffer, soon()));
        const Status sent = send_packet(connection.get(), std::span(buffer).first(packet.size),
                                        soon(), region.fd());
        if (!sent.ok()) fail(sent.message());
    }
}

/// Makes one exchange; returns the descriptor that came with the answer.
UniqueFd exchange(const std::string& socket, const ipc::Message& message,
                  std::span<std::byte> answer, std::size_t& size) {
    const UniqueFd fd = take(connect_seqpacket(socket, soon()));
    if (Status failure = send_packet(fd.get(), message, soon()); !failure.ok())
        fail(failure.message());
    Packet packet = take(receive_packet(fd.get(), answer, soon()));
    size = packet.size;
    return std::move(packet.fd);
}

void read_bare(const std::string& socket, const ipc::Message& message) {
    std::array<std::byte, kMaxMessageBytes> answer;
    std::size_t size = 0;
    const UniqueFd fd = exchange(socket, message, answer, size);
    const RegionView view = take(RegionView::map(fd.get()));
    if (view.bytes().front() != std::byte{0}) fail("the bare region is not empty");
}

void read_asked(const std::string& socket, const ipc::Message& message) {
    std::array<std::byte, kMaxMessageBytes> answer;
    std::size_t size = 0;
    const UniqueFd fd = exchange(socket, message, answer, size);
    const plugin_protocol::Reply reply =
        take(plugin_protocol::decode_reply(std::span(answer).first(size)));
    if (const auto* refused = std::get_if<plugin_protocol::Refused>(&reply))
        fail(refused->sentence);
    const RegionView view = take(RegionView::map(fd.get()));
    if (take(read_delivery(view.bytes())).size() != 10) fail("the delivery has not ten entries");
}

double median(std::vector<double>& samples) {
    std::nth_element(samples.begin(),
                     samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2),
                     samples.end());
    return samples[samples.size() / 2];
}

template <typename Function>
double microseconds(Function function) {
    const auto begin = Clock::now();
    function();
    return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) fail("usage: ask_round_trip NODE_SOCKET RUN UID ROUNDS");
    const std::string agent = argv[1];
    const std::string bare = "/tmp/slurm-secrets-bench-" + std::to_string(getpid()) + ".sock";
    UniqueFd listener = take(listen_at(bare, SocketKind::seqpacket, 0600));
    // The echo server blocks in accept(), as a bare server would.
    const int flags = fcntl(listener.get(), F_GETFL);
    fcntl(listener.get(), F_SETFL, flags & ~O_NONBLOCK);
    const pid_t server = fork();
    if (server == 0) echo(listener.get());

    plugin_protocol::GrantRequest ask;
    ask.job.value = 4000000000U;
    ask.uid.value = static_cast<uid_t>(std::atoi(argv[3]));
    ask.ask = std::string("run:") + argv[2];
    const ipc::Message message = plugin_protocol::encode(plugin_protocol::Request(ask));

    std::vector<double> asked;
    std::vector<double> echoed;
    const int rounds = std::atoi(argv[4]);
    for (int round = -rounds / 10; round < rounds; ++round) {
        const double bare_time = microseconds([&] { read_bare(bare, message); });
        const double ask_time = microseconds([&] { read_asked(agent, message); });
        if (round < 0) continue;  // warming up
        echoed.push_back(bare_time);
        asked.push_back(ask_time);
    }
    kill(server, SIGTERM);
    waitpid(server, nullptr, 0);
    unlink(bare.c_str());
    const double ask_median = median(asked);
    const double echo_median = median(echoed);
    std::printf(
        "GRANT, ten secrets: %.0f us; bare echo with a mapped descriptor: %.0f us; ratio %.2f\n",
        ask_median, echo_median, ask_median / echo_median);
    return 0;
}
