// SPDX-License-Identifier: Apache-2.0
#pragma once
// Identifies who makes a request, from its connection, before a server decides anything.

#include <optional>
#include <variant>

#include "agentd/api/router.h"
#include "agentd/net/asio.h"
#include "common/secure_memory/wipe.h"

namespace secrets::server {

/// Names a caller without querying the user database.
std::string name_of(const auth::Principal& caller);

struct AuthenticatedPrincipal {
    auth::Principal caller;
    api::Origin origin{};
    /// The SHA-256 that the body must have, in hex; nothing if any body is accepted.
    std::optional<std::string> body_digest{};
};

/// Authenticates the requests of one connection.
class Authenticator {
  public:
    virtual ~Authenticator() = default;

    /// Authenticates a request by its head only; returns the error response if that fails.
    virtual asio::awaitable<std::variant<AuthenticatedPrincipal, api::HttpResponse>> authenticate(
        const api::RequestHead& head) = 0;

    /// Returns the error response if the body is not the one that the caller vouched for.
    std::optional<api::HttpResponse> check_body(const AuthenticatedPrincipal& known,
                                                SecretView body);

  protected:
    Authenticator() = default;
    Authenticator(const Authenticator&) = default;
    Authenticator& operator=(const Authenticator&) = default;

    /// Makes the response to a caller that is turned away; a server may log the rejection.
    virtual api::HttpResponse refuse(unsigned status, const std::string& sentence);
};

/// Returns the uid that the kernel has reported.
class LocalAuthenticator : public Authenticator {
  public:
    explicit LocalAuthenticator(Uid uid) : uid_(uid) {}
    Uid uid() const { return uid_; }

    asio::awaitable<std::variant<AuthenticatedPrincipal, api::HttpResponse>> authenticate(
        const api::RequestHead&) override {
        co_return AuthenticatedPrincipal{uid_};
    }

  private:
    Uid uid_;
};

}  // namespace secrets::server
