// SPDX-License-Identifier: Apache-2.0
#pragma once
// Stands in for slurm-secrets-view at a socket of its own.

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "common/base/limits.h"
#include "common/ipc/slurm_query_protocol.h"
#include "common/ipc/unix_socket.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {

/// Answers each request until destroyed. `answer` is called in a thread of each connection.
class ViewServer {
  public:
    using Answer = std::function<slurm_query::Reply(const slurm_query::Request&)>;
    /// Returns the reply to a message that is to be refused unread.
    using Refuse = std::function<std::optional<slurm_query::Message>(std::span<const std::byte>)>;

    explicit ViewServer(Answer answer, Refuse refuse = nullptr)
        : answer_(std::move(answer)), refuse_(std::move(refuse)) {
        auto listener = listen_at(path(), SocketKind::seqpacket, 0600);
        REQUIRE(listener.ok());
        thread_ = std::thread([this, listener = std::move(listener).value()] {
            while (!ended_) {
                auto connection = accept_from(listener.get());
                if (connection && *connection) {
                    served_.emplace_back(
                        [this, client = std::move(connection).value()] { serve(client.get()); });
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
    }
    ViewServer(const ViewServer&) = delete;
    ViewServer& operator=(const ViewServer&) = delete;
    ~ViewServer() {
        ended_ = true;
        thread_.join();
        for (std::thread& thread : served_) thread.join();
    }

    std::string path() const { return folder_.file("view.sock"); }

  private:
    void serve(int fd) const {
        std::array<std::byte, kMaxQueryMessageBytes> buffer;
        const auto deadline = Deadline::in(std::chrono::seconds(5));
        const auto packet = receive_packet(fd, buffer, deadline);
        if (!packet) return;
        const auto message = std::span(buffer).first(packet->size);
        auto reply = refuse_ ? refuse_(message) : std::nullopt;
        if (!reply) {
            const auto request = slurm_query::decode_request(message);
            if (!request) return;
            reply = slurm_query::encode(answer_(*request), ipc::message_version(message));
        }
        (void)send_packet(fd, *reply, deadline);  // the client may have gone
    }

    Answer answer_;
    Refuse refuse_;
    TemporaryFolder folder_;
    std::atomic<bool> ended_{false};
    std::vector<std::thread> served_;  ///< used by `thread_` until it has ended
    std::thread thread_;
};

}  // namespace secrets
