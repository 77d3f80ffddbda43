// SPDX-License-Identifier: Apache-2.0
// Promise: the agent takes an answer of slurm-secrets-view that fits its question, and nothing else
// keeps it or stops it.

#include "agentd/slurm/query_client.h"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <functional>
#include <optional>
#include <thread>

#include "common/base/limits.h"
#include "common/ipc/unix_socket.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/view_server.h"

namespace secrets::slurm {
namespace {

using slurm_query::JobState;
using slurm_query::Refused;
using slurm_query::Reply;
using slurm_query::States;
using slurm_query::Users;
using std::chrono::milliseconds;

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
        std::array<std::byte, kMaxQueryMessageBytes> buffer;
        receive_packet(fd, buffer, plenty()).ok();
        (void)send_packet(fd, bytes, plenty());  // the client may have gone
    };
}

StatusOr<States> ask(
    const std::string& path, milliseconds patience = std::chrono::seconds(20),
    const std::function<void(boost::asio::io_context&, QueryClient&)>& meanwhile = [](auto&,
                                                                                      auto&) {}) {
    boost::asio::io_context loop;
    QueryClient client(loop, path);
    const std::vector<JobId> jobs{JobId{7}, JobId{8}};
    std::optional<StatusOr<States>> result;
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

std::string refusal_of(const StatusOr<States>& states) {
    return states ? "(taken)" : states.status().message();
}

TEST_CASE("QueryClient: sends the documented request and returns the states", "[view_client]") {
    Bytes question;
    std::optional<StatusOr<States>> states;
    {
        const View view([&](int fd) {
            std::array<std::byte, kMaxQueryMessageBytes> buffer;
            const auto packet = receive_packet(fd, buffer, plenty());
            if (packet)
                question.assign(buffer.begin(), buffer.begin() + std::ptrdiff_t(packet->size));
            const Reply reply = States{{JobState::ended, JobState::unknown}, "hidden"};
            (void)send_packet(fd, slurm_query::encode(reply),
                              plenty());  // the client may have gone
        });
        states.emplace(ask(view.path()));
    }
    CHECK(question == slurm_query::encode(slurm_query::JobsRequest{{JobId{7}, JobId{8}}}));
    REQUIRE(states->ok());
    CHECK((*states)->states == std::vector{JobState::ended, JobState::unknown});
    CHECK((*states)->sentence == "hidden");
}

TEST_CASE("QueryClient: sends an older request to an older slurm-secrets-view", "[view_client]") {
    std::vector<std::uint16_t> versions;
    const ViewServer view(
        [](const slurm_query::Request&) {
            return States{{JobState::ended, JobState::active}, ""};
        },
        [&versions](std::span<const std::byte> message) -> std::optional<Bytes> {
            versions.push_back(ipc::message_version(message));
            if (versions.back() == 1) return std::nullopt;
            return slurm_query::encode(
                Reply(Refused{"a message has protocol version 2 and this side speaks version 1; "
                              "install agent and slurm-secrets-view of one release"}),
                1);
        });
    const auto states = ask(view.path());
    CHECK(refusal_of(states) == "(taken)");
    CHECK(versions == std::vector<std::uint16_t>{2, 1});
}

TEST_CASE("QueryClient: returns an error for an invalid or missing answer", "[view_client]") {
    struct Row {
        Bytes answer;
        std::string sentence;
    };
    for (const Row& row : {
             Row{slurm_query::encode(Reply(Refused{"slurmctld sleeps"})), "slurmctld sleeps"},
             Row{slurm_query::encode(Reply(States{{JobState::ended}, ""})),
                 "protocol error: slurm-secrets-view sent the states of another number of jobs"},
             Row{slurm_query::encode(Reply(Users{})),
                 "protocol error: slurm-secrets-view sent a reply that matches no request"},
             Row{bytes_of("nonsense and more"),
                 "slurm-secrets-view sent an invalid message: it does not belong to a "
                 "slurm-secrets protocol"},
             Row{Bytes(kMaxQueryMessageBytes + 1),
                 "slurm-secrets-view sent a message that is too long"},
         }) {
        const View view(answering(row.answer));
        CHECK(refusal_of(ask(view.path())) == row.sentence);
    }
    const View view([](int fd) {
        std::array<std::byte, kMaxQueryMessageBytes> buffer;
        receive_packet(fd, buffer, plenty()).ok();
    });
    CHECK(refusal_of(ask(view.path())) == "slurm-secrets-view ended before it answered");
}

/// Returns the client's result for the users of chem if these are the replies to its requests, one
/// after the other. Keeps the requests.
StatusOr<Users> users_by(const std::vector<Reply>& replies, std::vector<Bytes>& questions) {
    const ViewServer view([&](const slurm_query::Request& request) {
        questions.push_back(slurm_query::encode(request));
        return questions.size() <= replies.size() ? replies[questions.size() - 1]
                                                  : Reply(Refused{"no further reply"});
    });
    boost::asio::io_context loop;
    QueryClient client(loop, view.path());
    std::optional<StatusOr<Users>> result;
    const auto run = [&]() -> boost::asio::awaitable<void> {
        auto users = co_await client.ask_users("chem", std::chrono::seconds(20));
        result.emplace(std::move(users));
    };
    boost::asio::co_spawn(loop, run, boost::asio::detached);
    loop.run();
    REQUIRE(result);
    return std::move(*result);
}

TEST_CASE("QueryClient: requests users of an account until none remain", "[view_client]") {
    std::vector<Bytes> questions;
    const auto users =
        users_by({Users{true, true, {"alice", "bob"}}, Users{true, false, {"carol"}}}, questions);
    REQUIRE(users.ok());
    CHECK((users->known && !users->more));
    CHECK(users->users == std::vector<std::string>{"alice", "bob", "carol"});
    CHECK(questions ==
          std::vector{slurm_query::encode(slurm_query::AccountRequest{"chem", ""}),
                      slurm_query::encode(slurm_query::AccountRequest{"chem", "bob"})});
    questions.clear();
    const auto unknown = users_by({Users{}}, questions);
    REQUIRE(unknown.ok());
    CHECK_FALSE(unknown->known);
}

TEST_CASE("QueryClient: accepts the longest part of a list of users", "[view_client]") {
    Users longest{true, false, {}};
    for (std::size_t i = 0; i < kMaxUsersPerReply; ++i) {
        longest.users.push_back(std::string(kMaxUserBytes - 3, 'u') + std::to_string(100 + i));
    }
    std::vector<Bytes> questions;
    const auto users = users_by({longest}, questions);
    REQUIRE(users.ok());
    CHECK(users->users == longest.users);
}

TEST_CASE("QueryClient: rejects users that do not continue the list or exceed the limit",
          "[view_client]") {
    const auto refusal = [](const std::vector<Reply>& replies) {
        std::vector<Bytes> questions;
        const auto users = users_by(replies, questions);
        return users ? "(taken)" : users.status().message();
    };
    const std::string another =
        "protocol error: slurm-secrets-view sent a reply that matches no request";
    CHECK(refusal({Users{true, true, {"bob"}}, Users{true, true, {"alice"}}}) == another);
    CHECK(refusal({Users{true, true, {"bob"}}, Users{true, false, {"bob"}}}) == another);
    CHECK(refusal({States{{JobState::ended}, ""}}) == another);
    CHECK(refusal({Refused{"slurmctld sleeps"}}) == "slurmctld sleeps");
    CHECK(refusal({Users{true, true, {"bob"}}, Refused{"slurmctld sleeps"}}) == "slurmctld sleeps");
    // Who goes on for ever is stopped.
    std::vector<Reply> endless;
    for (std::size_t name = 1000000; endless.size() <= kMaxUsersOfAccount / kMaxUsersPerReply;) {
        Users users{true, true, {}};
        for (std::size_t i = 0; i < kMaxUsersPerReply; ++i) {
            users.users.push_back(std::to_string(name++));
        }
        endless.emplace_back(std::move(users));
    }
    CHECK(
        refusal(endless) ==
        "slurm-secrets-view listed too many users of the Slurm account chem; the limit is 100000");
}

TEST_CASE("QueryClient: fails at once when slurm-secrets-view cannot be reached", "[view_client]") {
    const TemporaryFolder folder;
    CHECK(refusal_of(ask(folder.file("none.sock"))) ==
          "cannot reach slurm-secrets-view: connect() to " + folder.file("none.sock") +
              " failed: No such file or directory; is slurm-secrets-view.socket active?");
}

TEST_CASE("QueryClient: gives up on a silent slurm-secrets-view at a timeout or when cancelled",
          "[view_client]") {
    const auto silent = [](int fd) {
        std::array<std::byte, kMaxQueryMessageBytes> buffer;
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
}  // namespace secrets::slurm
