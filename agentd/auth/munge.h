// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one place that calls libmunge. It waits for munged, and so has a thread of its own.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <string>

#include "agentd/audit/outage_log.h"
#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::auth {

/// What munged says of a credential that it took.
struct Credential {
    Uid uid;              ///< who made it
    std::string address;  ///< of the host where; IPv4, as text
    std::string payload;
};

/// For use in one event loop. That munged can't be asked about a credential is written down, once
/// for as long as it lasts. The destructor waits for what munged is being asked.
class Munge {
  public:
    Munge();
    Munge(const Munge&) = delete;
    Munge& operator=(const Munge&) = delete;
    ~Munge();

    /// A credential of this process for `payload`. The Error: munged can't be asked.
    boost::asio::awaitable<StatusOr<std::string>> encode(std::string payload);

    /// Unavailable where munged cannot be asked; any other error is the credential's own.
    boost::asio::awaitable<StatusOr<Credential>> decode(std::string credential);

  private:
    boost::asio::thread_pool thread_{1};
    audit::OutageLog away_{"munged can't be asked: ", "munged answers again"};
};

}  // namespace secrets::auth
