// SPDX-License-Identifier: Apache-2.0
// Promise: a plugin is answered by an agent of its own release and by one of the release before.

#include "spank/agent_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <thread>

#include "common/base/limits.h"
#include "common/ipc/unix_socket.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::spank {
namespace {

/// An agent that has version 1 of the protocol, in a thread of its own. Serves two connections.
class OldAgent {
  public:
    explicit OldAgent(const std::string& path)
        : listener_(listen_at(path, SocketKind::seqpacket, 0600).value()), thread_([this] {
              for (int i = 0; i < 2; ++i) serve();
          }) {}
    ~OldAgent() {
        shutdown(listener_.get(), SHUT_RDWR);
        thread_.join();
    }
    OldAgent(const OldAgent&) = delete;
    OldAgent& operator=(const OldAgent&) = delete;

    std::vector<std::uint16_t> versions;  ///< of the messages that came

  private:
    void serve() {
        pollfd waiting{listener_.get(), POLLIN, 0};
        if (poll(&waiting, 1, 5000) != 1) return;
        const UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) return;
        std::array<std::byte, kMaxMessageBytes> buffer;
        const auto soon = Deadline::in(std::chrono::seconds(5));
        const auto packet = receive_packet(client.get(), buffer, soon);
        if (!packet || packet->size < 8) return;
        std::uint16_t version = 0;
        std::memcpy(&version, buffer.data() + 4, sizeof(version));
        versions.push_back(version);
        const plugin_protocol::Reply other = plugin_protocol::Refused{
            "a message has protocol version 2 and this side speaks version 1; install agent and "
            "plugin of one release"};
        const plugin_protocol::Reply reply =
            version == 1 ? plugin_protocol::Nothing{"answered"} : other;
        (void)send_packet(client.get(), plugin_protocol::encode(reply), soon);
    }

    UniqueFd listener_;
    std::thread thread_;
};

TEST_CASE("Plugin: requests a grant of an agent that knows no patience in its old form") {
    const TemporaryFolder folder;
    OldAgent agent(folder.file("node.sock"));
    plugin_protocol::GrantRequest request{JobId{7}, StepId{0}, Uid{1001}, 0, "A?"};
    const GrantOutcome outcome =
        request_grant(folder.file("node.sock"), std::chrono::seconds(5), std::move(request));
    CHECK(outcome.refusal.empty());
    CHECK(outcome.note == "answered");
    CHECK(agent.versions == std::vector<std::uint16_t>{2, 1});
}

}  // namespace
}  // namespace secrets::spank
