// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who makes a request: what a door finds out of its connections before anything is decided.

#include <optional>
#include <variant>

#include "agentd/api/router.h"
#include "agentd/net/asio.h"
#include "common/secure_memory/wipe.h"

namespace secrets::server {

struct AuthenticatedPrincipal {
    auth::Principal caller;
    api::Origin origin{};
    /// The SHA-256 that the body must have, in digits; nothing: it need have none.
    std::optional<std::string> body_digest{};
};

/// Answers for the requests of one connection.
class Authenticator {
  public:
    virtual ~Authenticator() = default;

    /// By the head alone; the answer where it can't be told, or may not be told so.
    virtual asio::awaitable<std::variant<AuthenticatedPrincipal, api::HttpResponse>> authenticate(
        const api::RequestHead& head) = 0;

    /// The answer where the body is not the one that the caller vouched for.
    std::optional<api::HttpResponse> check_body(const AuthenticatedPrincipal& known,
                                                SecretView body);

  protected:
    Authenticator() = default;
    Authenticator(const Authenticator&) = default;
    Authenticator& operator=(const Authenticator&) = default;

    /// Makes the answer to who is turned away; a door may write it down.
    virtual api::HttpResponse refuse(unsigned status, const std::string& sentence);
};

/// The kernel has said who it is.
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
