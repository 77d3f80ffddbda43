// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who makes a request.

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
    /// Implicit: on the local doors everybody is an account.
    Principal(Uid uid) : uid_(uid) {}
    static Principal of_certificate(std::string name) {
        Principal caller;
        caller.certificate_ = std::move(name);
        return caller;
    }

    /// Nothing where a certificate says who it is.
    const std::optional<Uid>& uid() const { return uid_; }
    bool is_root() const { return uid_ == Uid{0}; }

    /// Empty where it is an account.
    const std::string& certificate() const { return certificate_; }

    /// For a sentence.
    std::string name() const {
        return uid_ ? user_name(*uid_) : "the certificate of " + certificate_;
    }
    audit::Account account() const { return {uid_, name()}; }

  private:
    std::optional<Uid> uid_;
    std::string certificate_;
};

}  // namespace secrets::auth
