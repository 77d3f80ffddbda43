// Promise: the agent takes an answer of slurm-secrets-view that fits its question, and nothing else
// keeps it or stops it.

#include "agentd/cluster/view_client.h"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <functional>
#include <optional>
#include <thread>

#include "common/limits.h"
#include "common/unix_socket.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::cluster {
namespace {

using std::chrono::milliseconds;
using view_wire::JobState;
using view_wire::Refused;
using view_wire::Reply;
using view_wire::States;

/// A view that takes one question and does with its connection what the test wants.
class View {
  public:
    template <typename Serve>
    explicit View(Serve serve) {
        auto listener = listen_at(path(), SocketKind::seqpacket, 0600);
        REQUIRE(listener.ok());
        thread_ = std::thread([serve, listener = std::move(listener).value()] {
            const auto end = Deadline::in(std::chrono::seconds(20));
            while (!end.passed()) {
                auto connection = accept_from(listener.get());
                if (connection && *connection) return serve(connection->get());
                std::this_thread::sleep_for(milliseconds(1));
            }
        });
    }
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View() { thread_.join(); }

    std::string path() const { return folder_.file("view.sock"); }

  private:
    TemporaryFolder folder_;
    std::thread thread_;
};

Deadline plenty() {
    return Deadline::in(std::chrono::seconds(20));
}

/// Reads the question, and answers it with these bytes.
auto answering(const Bytes& bytes) {
    return [bytes](int fd) {
        std::array<std::byte, kMaxViewMessageBytes> buffer;
        receive_packet(fd, buffer, plenty()).ok();
        send_packet(fd, bytes, plenty());
    };
}

Result<States> ask(
    const std::string& path, milliseconds patience = std::chrono::seconds(20),
    const std::function<void(boost::asio::io_context&, ViewClient&)>& meanwhile = [](auto&, auto&) {
    }) {
    boost::asio::io_context loop;
    ViewClient client(loop, path);
    const std::vector<JobId> jobs{JobId{7}, JobId{8}};
    std::optional<Result<States>> result;
    const auto run = [&]() -> boost::asio::awaitable<void> {
        auto states = co_await client.ask(jobs, patience);
        result.emplace(std::move(states));
    };
    boost::asio::co_spawn(loop, run, boost::asio::detached);
    meanwhile(loop, client);
    loop.run();
    REQUIRE(result);
    return std::move(*result);
}

std::string refusal_of(const Result<States>& states) {
    return states ? "(taken)" : states.error().sentence;
}

TEST_CASE("the view is asked as it is documented, and its states are taken", "[view_client]") {
    Bytes question;
    std::optional<Result<States>> states;
    {
        const View view([&](int fd) {
            std::array<std::byte, kMaxViewMessageBytes> buffer;
            const auto packet = receive_packet(fd, buffer, plenty());
            if (packet)
                question.assign(buffer.begin(), buffer.begin() + std::ptrdiff_t(packet->size));
            const Reply reply = States{{JobState::ended, JobState::unknown}, "hidden"};
            send_packet(fd, view_wire::encode(reply), plenty());
        });
        states.emplace(ask(view.path()));
    }
    CHECK(question == view_wire::encode(view_wire::JobsRequest{{JobId{7}, JobId{8}}}));
    REQUIRE(states->ok());
    CHECK((*states)->states == std::vector{JobState::ended, JobState::unknown});
    CHECK((*states)->sentence == "hidden");
}

TEST_CASE("what is no answer is an error with a sentence", "[view_client]") {
    struct Row {
        Bytes answer;
        std::string sentence;
    };
    for (const Row& row : {
             Row{view_wire::encode(Reply(Refused{"slurmctld sleeps"})), "slurmctld sleeps"},
             Row{view_wire::encode(Reply(States{{JobState::ended}, ""})),
                 "slurm-secrets-view answered for another number of jobs than was asked"},
             Row{bytes_of("nonsense and more"),
                 "slurm-secrets-view sent a message does not speak the protocol of slurm-secrets"},
             Row{Bytes(kMaxViewMessageBytes + 1), "slurm-secrets-view sent too long a message"},
         }) {
        const View view(answering(row.answer));
        CHECK(refusal_of(ask(view.path())) == row.sentence);
    }
    const View view([](int fd) {
        std::array<std::byte, kMaxViewMessageBytes> buffer;
        receive_packet(fd, buffer, plenty()).ok();
    });
    CHECK(refusal_of(ask(view.path())) == "slurm-secrets-view ended before it answered");
}

TEST_CASE("a view that is not there is an error at once", "[view_client]") {
    const TemporaryFolder folder;
    CHECK(
        refusal_of(ask(folder.file("none.sock"))) ==
        "slurm-secrets-view can't be reached, is slurm-secrets-view.socket active? connect() to " +
            folder.file("none.sock") + " failed: No such file or directory");
}

TEST_CASE("a silent view is given up after a while, or when the agent ends", "[view_client]") {
    const auto silent = [](int fd) {
        std::array<std::byte, kMaxViewMessageBytes> buffer;
        receive_packet(fd, buffer, plenty()).ok();
        receive_packet(fd, buffer, plenty()).ok();  // until the other side closes
    };
    const auto begin = std::chrono::steady_clock::now();
    {
        const View view(silent);
        CHECK(refusal_of(ask(view.path(), milliseconds(1100))) ==
              "slurm-secrets-view did not answer within 1 s");
    }
    const View view(silent);
    CHECK_FALSE(ask(view.path(), std::chrono::seconds(20), [](auto& loop, auto& client) {
                    loop.run_for(milliseconds(50));
                    client.cancel();
                }).ok());
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
}

}  // namespace
}  // namespace secrets::cluster
