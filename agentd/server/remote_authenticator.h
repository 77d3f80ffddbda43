// SPDX-License-Identifier: Apache-2.0
#pragma once
// Identifies the caller of a request over TLS: a platform by its client certificate, everybody else
// by munge. A request identifies its caller in one way.

#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "agentd/auth/munge.h"
#include "agentd/net/connection_limits.h"
#include "agentd/server/authenticator.h"

namespace secrets::server {

/// Authenticates the requests of one connection.
class RemoteAuthenticator : public Authenticator {
  public:
    /// `context`: what this connection was shown. `connection`: counted as its first caller's.
    /// `names`: those in the certificate that the client
    /// showed; nothing where it showed none. `of_hosts`: whether it may be a host's, of whose users
    /// munge tells; else a request with both is refused. `note`: writes down that it was turned
    /// away, and why. What is referred to must outlive this.
    RemoteAuthenticator(const service::Services& services, auth::Munge& munge,
                        std::shared_ptr<asio::ssl::context> context,
                        net::ConnectionLimits::Counted& connection,
                        std::optional<net::CertificateNames> names, bool of_hosts,
                        std::function<void(const std::string&)> note);

    asio::awaitable<std::variant<AuthenticatedPrincipal, api::HttpResponse>> authenticate(
        const api::RequestHead& head) override;

  protected:
    api::HttpResponse refuse(unsigned status, const std::string& sentence) override;

  private:
    asio::awaitable<std::variant<AuthenticatedPrincipal, api::HttpResponse>> identify(
        const api::RequestHead& head);
    std::variant<AuthenticatedPrincipal, api::HttpResponse> by_certificate();
    asio::awaitable<std::variant<AuthenticatedPrincipal, api::HttpResponse>> by_munge(
        const api::RequestHead& head);
    std::variant<AuthenticatedPrincipal, api::HttpResponse> bound_to(
        const api::RequestHead& head, const auth::Credential& credential);

    const service::Services& services_;
    auth::Munge& munge_;
    std::shared_ptr<asio::ssl::context> context_;
    net::ConnectionLimits::Counted& connection_;
    std::string address_;
    std::optional<net::CertificateNames> names_;
    bool of_hosts_;
    std::function<void(const std::string&)> note_;
};

}  // namespace secrets::server
