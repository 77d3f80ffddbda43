// SPDX-License-Identifier: Apache-2.0
#include "agentd/slurm/query_client.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <variant>

#include "agentd/base/scope_exit.h"
#include "agentd/net/readable.h"
#include "common/base/limits.h"
#include "common/ipc/refused_version.h"
#include "common/ipc/unix_socket.h"

namespace secrets::slurm {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

namespace {

/// For calls that either complete at once or fail.
Deadline at_once() {
    return Deadline::in(std::chrono::milliseconds(0));
}

Status lost(const Status& error) {
    return Status::failed("the connection to slurm-secrets-view was lost: " + error.message());
}

Status answered_another_question() {
    return Status::failed(
        "protocol error: slurm-secrets-view sent a reply that matches no request");
}

StatusOr<slurm_query::Reply> read_reply(int fd) {
    std::array<std::byte, kMaxQueryMessageBytes> buffer;
    const auto packet = receive_packet(fd, buffer, at_once());
    if (!packet) return lost(packet.status());
    if (packet->size == 0) return Status::failed("slurm-secrets-view ended before it answered");
    if (packet->cut) return Status::failed("slurm-secrets-view sent a message that is too long");
    auto reply = slurm_query::decode_reply(std::span(buffer).first(packet->size));
    if (!reply) return Status::failed("slurm-secrets-view sent " + reply.status().message());
    if (const auto* refused = std::get_if<slurm_query::Refused>(&*reply)) {
        return Status::failed(refused->sentence);
    }
    return reply;
}

}  // namespace

/// Returns whether a reply can be read before the patience ends.
asio::awaitable<bool> QueryClient::wait_for_reply(int fd, std::chrono::milliseconds patience) {
    const auto descriptor = std::make_shared<asio::posix::stream_descriptor>(loop_, fd);
    const ScopeExit let_go([this, &descriptor] {
        waiting_ = nullptr;
        descriptor->release();  // the connection still owns the fd
    });
    waiting_ = descriptor.get();
    const auto until = std::chrono::steady_clock::now() + patience;
    co_return co_await net::wait_until_readable(descriptor, until);
}

/// Returns the reply to a request; a rejection becomes a Status. Sends an older message if
/// slurm-secrets-view is older than the agent, as it is for minutes after an upgrade.
asio::awaitable<StatusOr<slurm_query::Reply>> QueryClient::exchange(
    slurm_query::Request request, std::chrono::milliseconds patience) {
    auto message = slurm_query::encode(request);
    auto reply = co_await send(std::move(message), patience);
    if (reply.ok() || !ipc::refuses_version(reply.status().message())) co_return reply;
    message = slurm_query::encode(request, slurm_query::kOldestVersion);
    reply = co_await send(std::move(message), patience);
    if (!reply.ok() && ipc::refuses_type(reply.status().message())) {
        co_return Status::failed(
            "slurm-secrets-view is older than slurm-secretsd and does not know the request; "
            "upgrade it, then run: systemctl restart slurm-secrets-view");
    }
    co_return reply;
}

asio::awaitable<StatusOr<slurm_query::Reply>> QueryClient::send(
    slurm_query::Message request, std::chrono::milliseconds patience) {
    const auto connection = connect_seqpacket(socket_, at_once());
    if (!connection) {
        co_return Status::failed(
            "cannot reach slurm-secrets-view: " + connection.status().message() +
            "; is slurm-secrets-view.socket active?");
    }
    const int fd = connection->get();
    if (Status wrong = send_packet(fd, request, at_once()); !wrong.ok()) {
        co_return lost(wrong);
    }
    const bool came = co_await wait_for_reply(fd, patience);
    if (!came) {
        co_return Status::failed("slurm-secrets-view did not answer within " +
                                 std::to_string(patience.count() / 1000) + " s");
    }
    co_return read_reply(fd);
}

asio::awaitable<StatusOr<slurm_query::States>> QueryClient::ask(
    std::span<const JobId> jobs, std::chrono::milliseconds patience) {
    slurm_query::JobsRequest request{{jobs.begin(), jobs.end()}, false, {}};
    co_return co_await ask_states(std::move(request), patience);
}

asio::awaitable<StatusOr<slurm_query::States>> QueryClient::ask_ends(
    std::span<const JobId> jobs, std::span<const Uid> owners, std::chrono::milliseconds patience) {
    slurm_query::JobsRequest request{
        {jobs.begin(), jobs.end()}, true, {owners.begin(), owners.end()}};
    co_return co_await ask_states(std::move(request), patience);
}

asio::awaitable<StatusOr<slurm_query::States>> QueryClient::ask_states(
    slurm_query::JobsRequest asked, std::chrono::milliseconds patience) {
    const std::size_t count = asked.jobs.size();
    slurm_query::Request request = std::move(asked);
    auto reply = co_await exchange(std::move(request), patience);
    if (!reply) co_return reply.status();
    auto* states = std::get_if<slurm_query::States>(&*reply);
    if (states == nullptr) co_return answered_another_question();
    if (states->states.size() != count) {
        co_return Status::failed(
            "protocol error: slurm-secrets-view sent the states of another number of jobs");
    }
    co_return std::move(*states);
}

asio::awaitable<StatusOr<slurm_query::Users>> QueryClient::ask_users(
    std::string account, std::chrono::milliseconds patience) {
    slurm_query::Users all;
    do {
        const std::string after = all.users.empty() ? "" : all.users.back();
        slurm_query::Request request = slurm_query::AccountRequest{account, after};
        auto reply = co_await exchange(std::move(request), patience);
        if (!reply) co_return reply.status();
        auto* users = std::get_if<slurm_query::Users>(&*reply);
        const bool fits =
            users != nullptr && (users->users.empty() || users->users.front() > after);
        if (!fits) co_return answered_another_question();
        all.known = users->known;
        all.more = users->more;
        std::move(users->users.begin(), users->users.end(), std::back_inserter(all.users));
        if (all.users.size() > kMaxUsersOfAccount) {
            co_return Status::failed(
                "slurm-secrets-view listed too many users of the Slurm account " + account +
                "; the limit is " + std::to_string(kMaxUsersOfAccount));
        }
    } while (all.more);
    co_return all;
}

asio::awaitable<StatusOr<slurm_query::Verdicts>> QueryClient::ask_placements(
    slurm_query::PlacementsRequest request, std::chrono::milliseconds patience) {
    const std::size_t count = request.places.size();
    auto reply = co_await exchange(std::move(request), patience);
    if (!reply) co_return reply.status();
    auto* verdicts = std::get_if<slurm_query::Verdicts>(&*reply);
    const bool fits = verdicts != nullptr && verdicts->verdicts.size() == count;
    if (!fits) co_return answered_another_question();
    co_return std::move(*verdicts);
}

asio::awaitable<StatusOr<JobId>> QueryClient::ask_process(pid_t pid,
                                                          std::chrono::milliseconds patience) {
    slurm_query::Request request = slurm_query::ProcessRequest{static_cast<std::uint32_t>(pid)};
    auto reply = co_await exchange(std::move(request), patience);
    if (!reply) co_return reply.status();
    const auto* process = std::get_if<slurm_query::JobOfProcess>(&*reply);
    if (process == nullptr) co_return answered_another_question();
    co_return process->job;
}

void QueryClient::cancel() {
    ErrorCode ignored;
    if (waiting_ != nullptr) waiting_->cancel(ignored);
}

}  // namespace secrets::slurm
