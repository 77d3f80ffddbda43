// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "agentd/audit/denied_address_log.h"
#include "agentd/auth/principal.h"
#include "common/base/status.h"

namespace secrets::hub {

/// The account that the nodes' agents run as. Its number decides: a munge credential has only the
/// uid that its sender has on the sender's host, and whoever else has that uid there can make one.
/// A name that a node claimed would prove nothing.
class AgentAccount {
  public:
    /// `configured`: listen.agents, a name or a number; empty: the account of this process.
    explicit AgentAccount(std::string configured) : configured_(std::move(configured)) {}

    /// Returns success if the caller is an agent; each request decides where on the network such an
    /// agent may be. A denial has both numbers, and is logged once per address and minute.
    Status check(const auth::Principal& caller, const std::string& address);

  private:
    StatusOr<std::optional<Uid>> uid() const;

    std::string configured_;
    audit::DeniedAddressLog denials_{"an agent"};
};

}  // namespace secrets::hub
