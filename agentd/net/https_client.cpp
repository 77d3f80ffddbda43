// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/https_client.h"

#include "agentd/base/scope_exit.h"

namespace secrets::net {

namespace asio = boost::asio;

asio::awaitable<Status> HttpsClient::ask(const HttpsRequest& request, HttpsResponse& answer,
                                         Until until) {
    bool may_be_executed = false;
    while (true) {
        std::unique_ptr<HttpsConnection> connection = take_idle();
        const bool is_new = !connection;
        if (is_new) connection = std::make_unique<HttpsConnection>(loop_, context_);
        auto failure = co_await ask_on(*connection, is_new, request, answer, until);
        if (failure.ok()) {
            keep(std::move(connection));
            co_return failure;
        }
        may_be_executed |= failure.code() == StatusCode::unavailable;
        if (!is_new && !stopped_ && Clock::now() < until.connected) continue;
        if (!may_be_executed) co_return failure;
        co_return Status::unavailable(failure.message());
    }
}

asio::awaitable<Status> HttpsClient::ask_once(const HttpsRequest& request, HttpsResponse& answer,
                                              Until until) {
    HttpsConnection connection(loop_, context_);
    auto failure = co_await ask_on(connection, true, request, answer, until);
    if (failure.ok()) session_ = connection.session();
    co_return failure;
}

asio::awaitable<Status> HttpsClient::reach(Clock::time_point until) {
    HttpsConnection connection(loop_, context_);
    busy_.insert(&connection);
    const ScopeExit over([this, &connection] { busy_.erase(&connection); });
    co_return co_await open(connection, until);
}

void HttpsClient::stop() {
    stopped_ = true;
    idle_.clear();
    for (HttpsConnection* connection : busy_) connection->cancel();
}

asio::awaitable<Status> HttpsClient::ask_on(HttpsConnection& connection, bool is_new,
                                            const HttpsRequest& request, HttpsResponse& answer,
                                            Until until) {
    busy_.insert(&connection);
    const ScopeExit over([this, &connection] { busy_.erase(&connection); });
    if (is_new) {
        auto failure = co_await open(connection, until.connected);
        if (!failure.ok()) co_return failure;
    }
    std::string authorization = request.authorization;
    if (authorization.empty() && authorize_) {
        auto made = co_await authorize_(url_, request);
        if (!made) co_return made.status();
        authorization = std::move(made).value();
    }
    co_return co_await connection.exchange(url_, request, authorization, answer, until.answered);
}

asio::awaitable<Status> HttpsClient::open(HttpsConnection& connection, Clock::time_point until) {
    TlsSession session = copy_of(session_.get());
    auto failure = co_await connection.open(url_, std::move(session), until);
    if (failure.ok()) certificate_end_ = connection.certificate_end();
    co_return failure;
}

std::unique_ptr<HttpsConnection> HttpsClient::take_idle() {
    while (!idle_.empty()) {
        std::unique_ptr<HttpsConnection> connection = std::move(idle_.back());
        idle_.pop_back();
        if (connection->is_alive()) return connection;
    }
    return nullptr;
}

void HttpsClient::keep(std::unique_ptr<HttpsConnection> connection) {
    session_ = connection->session();
    if (!stopped_ && idle_.size() < most_idle_ && connection->is_alive()) {
        idle_.push_back(std::move(connection));
    }
}

}  // namespace secrets::net
