// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/remote_authenticator.h"

#include <boost/beast/core/string.hpp>

#include "agentd/base/scope_exit.h"
#include "agentd/net/tls_context.h"
#include "common/auth/hub_request.h"
#include "common/base/names.h"

namespace secrets::server {
namespace {

/// Returns the credential that follows `Munge` in an Authorization; nothing for another scheme.
std::optional<std::string> credential_in(std::string_view authorization) {
    const std::string_view scheme = authorization.substr(0, authorization.find(' '));
    if (!boost::beast::iequals({scheme.data(), scheme.size()}, "Munge")) return std::nullopt;
    std::string_view rest = authorization.substr(scheme.size());
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    return std::string(rest);
}

}  // namespace

RemoteAuthenticator::RemoteAuthenticator(const service::Services& services, auth::Munge& munge,
                                         std::shared_ptr<asio::ssl::context> context,
                                         net::ConnectionLimits::Counted& connection,
                                         std::optional<net::CertificateNames> names, bool of_hosts,
                                         std::function<void(const std::string&)> note)
    : services_(services),
      munge_(munge),
      context_(std::move(context)),
      connection_(connection),
      address_(connection.address()),
      names_(std::move(names)),
      of_hosts_(of_hosts),
      note_(std::move(note)) {}

asio::awaitable<std::variant<AuthenticatedPrincipal, api::HttpResponse>>
RemoteAuthenticator::authenticate(const api::RequestHead& head) {
    connection_.set_busy(true);  // while munged is waited for, the client is not silent
    const ScopeExit over([this] { connection_.set_busy(false); });
    auto checked = co_await identify(head);
    const auto* const known = std::get_if<AuthenticatedPrincipal>(&checked);
    if (known == nullptr) co_return checked;
    if (Status wrong = connection_.prove(name_of(known->caller)); !wrong.ok()) {
        api::HttpResponse answer = refuse(503, wrong.message());
        answer.retry_after = std::chrono::seconds(1);
        co_return answer;
    }
    co_return checked;
}

asio::awaitable<std::variant<AuthenticatedPrincipal, api::HttpResponse>>
RemoteAuthenticator::identify(const api::RequestHead& head) {
    if (head.authorization.empty()) co_return by_certificate();
    if (names_ && !of_hosts_) {
        co_return refuse(
            401,
            "the request has both a munge credential and a client certificate; send only "
            "one of them");
    }
    co_return co_await by_munge(head);
}

std::variant<AuthenticatedPrincipal, api::HttpResponse> RemoteAuthenticator::by_certificate() {
    if (!names_) {
        return refuse(
            401,
            "the request is not authenticated: platforms present a client certificate, all "
            "other clients send a munge credential");
    }
    const std::vector<std::string> all = names_->all();
    if (all.empty()) {
        return refuse(403, "the client certificate has no subjectAltName");
    }
    for (const std::string& name : all) {
        const auto caller = auth::Principal::of_certificate(name);
        const auto is_platform = services_.context.principals.is_platform(caller);
        if (!is_platform) return refuse(503, is_platform.status().message());
        if (*is_platform) return AuthenticatedPrincipal{caller, {address_, ""}};
    }
    return refuse(403, "the certificate of " + in_quotes(all.front()) +
                           " belongs to no platform in the hub's configuration");
}

asio::awaitable<std::variant<AuthenticatedPrincipal, api::HttpResponse>>
RemoteAuthenticator::by_munge(const api::RequestHead& head) {
    auto text = credential_in(head.authorization);
    if (!text) co_return refuse(401, "the Authorization field must be Munge and a credential");
    auto decoded = co_await munge_.decode(std::move(*text), head.is_gone);
    if (!decoded.ok()) {
        const std::string& why = decoded.status().message();
        if (decoded.status().code() != StatusCode::unavailable) {
            co_return refuse(401, "invalid munge credential: " + why);
        }
        api::HttpResponse answer = api::problem(503, "cannot query munged on the hub: " + why);
        answer.retry_after = std::chrono::seconds(1);
        co_return answer;
    }
    co_return bound_to(head, *decoded);
}

/// Returns the caller if the credential was created for this very request.
std::variant<AuthenticatedPrincipal, api::HttpResponse> RemoteAuthenticator::bound_to(
    const api::RequestHead& head, const auth::Credential& credential) {
    const auto made_for = parse_hub_request(credential.payload);
    if (!made_for) return refuse(401, "invalid munge credential: " + made_for.status().message());
    if (!net::is_certificate_of(*context_, made_for->host)) {
        return refuse(401, "the munge credential was created for hub " + in_quotes(made_for->host) +
                               ", which this hub's certificate does not name");
    }
    if (made_for->method != head.method || made_for->target != head.target) {
        return refuse(401, "the munge credential was created for a different request");
    }
    return AuthenticatedPrincipal{
        credential.uid, {address_, credential.address, names_}, made_for->body_digest};
}

api::HttpResponse RemoteAuthenticator::refuse(unsigned status, const std::string& sentence) {
    note_(sentence);
    return api::problem(status, sentence);
}

}  // namespace secrets::server
