// SPDX-License-Identifier: Apache-2.0
// Logs in to OpenBao by an AppRole, and renews its token as long as that is possible.

#include <algorithm>
#include <array>

#include "agentd/base/credential_file.h"
#include "agentd/base/json_members.h"
#include "agentd/base/scope_exit.h"
#include "agentd/openbao/secret_json.h"
#include "agentd/openbao/server_pool.h"

namespace secrets::openbao {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using net::HttpsRequest;
using net::HttpsResponse;

/// Time to revoke the token at the agent's end.
constexpr auto kRevoke = std::chrono::milliseconds(500);

/// OpenBao locks a role out for 15 minutes after five denied logins, also with the right secret id:
/// a denied secret id is not sent again within kAfterRefusal, unless its file has changed.
constexpr auto kAfterRefusal = std::chrono::minutes(4);

/// One of the two credentials of an AppRole's login.
struct Credential {
    const char* field;
    const std::string& file;
    const char* credential;
    std::string key() const { return std::string("store.openbao.") + field + "_file"; }
};

std::array<Credential, 2> credentials_of(const OpenBao& config) {
    return {{{"role_id", config.role_id_file, "openbao.role-id"},
             {"secret_id", config.secret_id_file, "openbao.secret-id"}}};
}

/// Tells whether OpenBao says that the credentials are wrong, or that the role is locked out for
/// that. Any other answer may be another one the next time, such as a proxy's, or that of a server
/// on which the AppRole is not mounted.
bool is_wrong_credential(const HttpsResponse& answer) {
    const std::string errors = errors_in(answer);
    const auto says = [&](const char* words) { return errors.find(words) != std::string::npos; };
    if (answer.status == 403) return says("permission denied");
    return answer.status == 400 &&
           (says("invalid role") || says("invalid secret") || says("missing secret_id"));
}

StatusOr<SecretBuffer> read(const Credential& credential) {
    const auto path = credential_path(credential.file, credential.credential, credential.key());
    if (!path) return path.status();
    return read_private_line(*path, credential.key() + ": " + path->path);
}

SecretBuffer buffer_of(std::string_view text) {
    SecretBuffer buffer(text.size());
    std::copy_n(std::as_bytes(std::span(text)).begin(), text.size(), buffer.bytes().begin());
    return buffer;
}

/// Returns the body of a login. Reads the files each time: an admin may have changed the secret id.
StatusOr<SecretBuffer> login_body(const OpenBao& config) {
    json::object body;
    for (const Credential& credential : credentials_of(config)) {
        const auto word = read(credential);
        if (!word) return word.status();
        const auto bytes = word->view().bytes();
        body[credential.field] =
            json::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return serialize_secret(body);
}

}  // namespace

Status check_files(const OpenBao& config, bool with_credentials) {
    const auto context = net::make_client_context(config.ca, "store.openbao.ca");
    if (!context) return context.status();
    for (const Credential& credential : credentials_of(config)) {
        if (credential.file.empty() && !with_credentials) continue;
        const auto word = read(credential);
        if (!word) return word.status();
    }
    return Status();
}

asio::awaitable<Status> ServerPool::log_in(Clock::time_point deadline) {
    while (!token_) {
        if (stopped_) co_return Status::failed("the agent is shutting down");
        if (Clock::now() >= deadline) co_return Status::failed(failures_of_servers());
        if (is_logging_in_) {
            co_await changes_.wait(deadline);
            continue;
        }
        is_logging_in_ = true;
        const ScopeExit over([this] {
            is_logging_in_ = false;
            changes_.wake();
        });
        auto failure = co_await log_in_now(deadline);
        if (!failure.ok()) co_return failure;
    }
    co_return Status();
}

asio::awaitable<Status> ServerPool::log_in_now(Clock::time_point deadline) {
    auto body = login_body(config_);
    if (!body) co_return body.status();
    const Digest shown = sha256_of(body->view().bytes());
    if (refused_ && refused_->shown == shown && Clock::now() < refused_->until) {
        co_return refused_->why;
    }
    HttpsRequest request = request_as_role("POST", "/v1/auth/" + config_.approle + "/login");
    request.secret = std::move(body).value();
    auto response = co_await ask_any(request, deadline);
    // A login may have been made, but the request that needs it was not sent.
    if (!response.ok()) co_return Status::failed(response.status().message());
    const auto& answer = *response;
    if (answer.status != 200 || !take_login(answer)) {
        auto why =
            Status::failed("OpenBao rejected the login of the AppRole: " + errors_in(answer) +
                           "; check its role id and secret id, and store.openbao.approle");
        if (is_wrong_credential(answer)) refused_ = {shown, Clock::now() + kAfterRefusal, why};
        co_return why;
    }
    refused_.reset();
    ++logins_;
    first_lease_ = lease_;
    renewals_.wake();
    co_return Status();
}

/// Stores the token in the answer to a login or a renewal. Returns false if there is none.
bool ServerPool::take_login(const HttpsResponse& answer) {
    const json::value value = parse_secret(answer.body);
    const json::object* auth = find_object(value.if_object(), "auth");
    const json::string* token = find_text(auth, "client_token");
    const std::int64_t* lease = find_number(auth, "lease_duration");
    if (token == nullptr || lease == nullptr) return false;
    token_ = std::make_shared<const SecretBuffer>(buffer_of({token->data(), token->size()}));
    lease_ = std::chrono::seconds(*lease);
    const auto half = std::chrono::milliseconds(lease_) / 2;
    renew_at_ = lease_.count() > 0 ? Clock::now() + half : Clock::time_point::max();
    is_renewable_ = is_true(auth, "renewable");
    return true;
}

/// Renews the token of each login at half of its lease, until OpenBao shortens the lease: OpenBao
/// does not renew a token for ever. The next request then logs in again.
asio::awaitable<void> ServerPool::renew_logins() {
    while (renews_) {
        if (!token_) {
            co_await renewals_.wait();
        } else if (Clock::now() < renew_at_) {
            co_await renewals_.wait(renew_at_);
        } else {
            co_await renew_login();
        }
    }
}

HttpsRequest ServerPool::renewal_request() const {
    HttpsRequest request = request_as_role("POST", "/v1/auth/token/renew-self");
    request.body = "{}";
    return request;
}

asio::awaitable<void> ServerPool::renew_login() {
    const std::uint64_t login = logins_;
    const HttpsRequest request = renewal_request();
    const auto deadline = Clock::now() + std::chrono::milliseconds(lease_) / 4;
    Result response = Status::failed("");
    if (is_renewable_) response = co_await ask_any(request, deadline);
    if (stopped_ || login != logins_) co_return;
    const bool renewed = response.ok() && response->status == 200 && take_login(*response) &&
                         lease_ * 4 >= first_lease_ * 3;
    if (!renewed) token_.reset();
}

asio::awaitable<void> ServerPool::revoke() {
    HttpsRequest request = request_as_role("POST", "/v1/auth/token/revoke-self");
    request.body = "{}";
    HttpsResponse answer;
    const auto failure =
        co_await ask_one(servers_[preferred_], request, answer, Clock::now() + kRevoke);
    // A failure is not reported: the token ends by itself.
    if (failure.ok()) token_.reset();
}

}  // namespace secrets::openbao
