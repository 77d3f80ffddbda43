// SPDX-License-Identifier: Apache-2.0
#pragma once
// The only code that calls libmunge. As libmunge waits for munged, it runs in a thread of its own.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <string>

#include "agentd/audit/outage_log.h"
#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::auth {

/// The content of a credential that munged accepted.
struct Credential {
    Uid uid;              ///< the user who made it
    std::string address;  ///< of the host on which it was made; IPv4, as text
    std::string payload;
};

/// Encodes and decodes credentials for one event loop. Reports that munged can't decode credentials
/// once for as long as that lasts. The destructor waits for calls of munged in progress.
class Munge {
  public:
    Munge();
    Munge(const Munge&) = delete;
    Munge& operator=(const Munge&) = delete;
    ~Munge();

    /// Returns a credential of this process for `payload`. Fails if munged can't be reached.
    boost::asio::awaitable<StatusOr<std::string>> encode(std::string payload);

    /// Decodes a credential. Returns `unavailable` if munged can't be reached; any other error is
    /// the credential's own.
    boost::asio::awaitable<StatusOr<Credential>> decode(std::string credential);

  private:
    boost::asio::thread_pool thread_{1};
    audit::OutageLog away_{"cannot query munged: ", "munged answers again"};
};

}  // namespace secrets::auth
