// SPDX-License-Identifier: Apache-2.0
#pragma once
// The caller of a request.

#include <optional>
#include <string>

#include "agentd/audit/event.h"
#include "agentd/auth/user_database.h"
#include "common/base/ids.h"

namespace secrets::auth {

/// An account, or a platform that a certificate names.
class Principal {
  public:
    Principal() = default;
    /// Implicit: on the local sockets every caller is an account.
    Principal(Uid uid) : uid_(uid) {}
    static Principal of_certificate(std::string name) {
        Principal caller;
        caller.certificate_ = std::move(name);
        return caller;
    }

    /// Returns nothing if a certificate identifies the caller.
    const std::optional<Uid>& uid() const { return uid_; }
    bool is_root() const { return uid_ == Uid{0}; }

    /// Returns an empty name if the caller is an account.
    const std::string& certificate() const { return certificate_; }

    /// Returns the caller's name for messages.
    std::string name() const {
        return uid_ ? user_name(*uid_) : "the certificate of " + certificate_;
    }
    audit::Account account() const { return {uid_, name()}; }

  private:
    std::optional<Uid> uid_;
    std::string certificate_;
};

}  // namespace secrets::auth
