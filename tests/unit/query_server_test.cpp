// SPDX-License-Identifier: Apache-2.0
// Promise: slurm-secrets-view answers an agent of any release in words that the agent knows, and
// ends after its time even if requests never cease.

#include "slurmview/query_server.h"

#include <array>
#include <atomic>
#include <thread>

#include "common/base/limits.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::slurmview {
namespace {

using slurm_query::JobState;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A slurmctld that knows no job, and takes a while to say so.
ControllerCalls calls() {
    ControllerCalls made;
    made.ask_about_job = [](JobId) -> StatusOr<Told> {
        std::this_thread::sleep_for(milliseconds(20));
        return Told{JobState::forgotten, ""};
    };
    return made;
}

struct Fixture {
    Fixture() : listener(listen_at(path(), SocketKind::seqpacket, 0600).value()) {}
    std::string path() const { return folder.file("view.sock"); }

    /// Asks about a job. Returns what the reply says of it, if it came in time.
    std::optional<JobState> ask(std::uint16_t version, milliseconds patience) const {
        const auto deadline = Deadline::in(patience);
        const auto connection = connect_seqpacket(path(), deadline);
        if (!connection) return std::nullopt;
        const auto request = slurm_query::encode(slurm_query::JobsRequest{{JobId{7}}}, version);
        if (!send_packet(connection->get(), request, deadline).ok()) return std::nullopt;
        std::array<std::byte, kMaxQueryMessageBytes> buffer;
        const auto packet = receive_packet(connection->get(), buffer, deadline);
        if (!packet || packet->size == 0) return std::nullopt;
        const auto message = std::span(buffer).first(packet->size);
        if (ipc::message_version(message) != version) return std::nullopt;
        const auto reply = slurm_query::decode_reply(message);
        const auto* states = reply ? std::get_if<slurm_query::States>(&*reply) : nullptr;
        return states == nullptr ? std::nullopt : std::optional(states->states.at(0));
    }

    TemporaryFolder folder;
    UniqueFd listener;
    QueryQueue queue{calls(), {.patience = seconds(60)}};
    QueryServer server{listener.get(), Uid{getuid()}, queue};
};

TEST_CASE("QueryServer: answers each request in its version", "[query_server]") {
    Fixture fixture;
    std::thread serving([&] { fixture.server.serve(Deadline::in(seconds(2))); });
    CHECK(fixture.ask(1, seconds(20)) == JobState::unknown);
    CHECK(fixture.ask(2, seconds(20)) == JobState::forgotten);
    serving.join();
}

TEST_CASE("QueryServer: ends while requests keep coming, and leaves them to the next process",
          "[query_server]") {
    Fixture fixture;
    std::atomic<bool> done{false};
    std::atomic<int> answered{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back([&] {
            while (!done) {
                if (fixture.ask(2, seconds(20))) ++answered;
            }
        });
    }
    fixture.server.serve(Deadline::in(milliseconds(500)));
    CHECK(answered > 0);
    done = true;
    // Each client has a request at the listener.
    fixture.server.serve(Deadline::in(seconds(2)));
    for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace secrets::slurmview
