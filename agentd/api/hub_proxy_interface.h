// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the requests go that a node's agent does not answer by itself.

#include <span>
#include <string>

#include "agentd/api/router.h"

namespace secrets::api {

/// The head of a request, as it came.
struct ProxiedHead {
    std::string method;
    std::string target;
    std::string content_type;
    std::string authorization;
    std::string if_match;
    std::string if_none_match;
};

/// Passes requests on to a hub, which takes each from whom its munge credential names.
class HubProxyInterface {
  public:
    /// What a client is told whose request has no credential (WWW-Authenticate): a credential is
    /// good for one hub, which this names.
    virtual std::string challenge() const = 0;

    /// The answer comes later, and is the hub's own. `body` may hold values, and need not outlive
    /// the call.
    virtual HttpResponse pass_on(ProxiedHead head, std::span<const std::byte> body) = 0;

  protected:
    HubProxyInterface() = default;
    HubProxyInterface(const HubProxyInterface&) = default;
    HubProxyInterface& operator=(const HubProxyInterface&) = default;
    ~HubProxyInterface() = default;
};

}  // namespace secrets::api
