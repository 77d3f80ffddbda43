// SPDX-License-Identifier: Apache-2.0
#pragma once
// Interface for the requests that a node's agent does not answer itself.

#include <span>
#include <string>

#include "agentd/api/router.h"

namespace secrets::api {

/// The head of a request, as received.
struct ProxiedHead {
    std::string method;
    std::string target;
    std::string content_type;
    std::string authorization;
    std::string if_match;
    std::string if_none_match;
};

/// Passes requests on to a hub, which attributes each to the user that its munge credential names.
class HubProxyInterface {
  public:
    /// Returns the challenge (WWW-Authenticate) to a request without a credential: a credential is
    /// valid for one hub, which the challenge names.
    virtual std::string challenge() const = 0;

    /// Passes a request on. The response comes later, and is the hub's own. `body` may hold values,
    /// and need not outlive the call.
    virtual HttpResponse pass_on(ProxiedHead head, std::span<const std::byte> body) = 0;

  protected:
    HubProxyInterface() = default;
    HubProxyInterface(const HubProxyInterface&) = default;
    HubProxyInterface& operator=(const HubProxyInterface&) = default;
    ~HubProxyInterface() = default;
};

}  // namespace secrets::api
