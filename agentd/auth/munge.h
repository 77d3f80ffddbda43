#pragma once
// The one place that calls libmunge. It waits for munged, and so has a thread of its own.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <string>

#include "agentd/audit/outage_log.h"
#include "common/base/ids.h"
#include "common/base/result.h"

namespace secrets::auth {

/// What munged says of a credential that it took.
struct Credential {
    Uid uid;              ///< who made it
    std::string address;  ///< of the host where; IPv4, as text
    std::string payload;
};

/// Why one was not taken.
struct InvalidCredential {
    std::string sentence;
    bool munged_is_away = false;  ///< it says nothing about the credential
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
    boost::asio::awaitable<Result<std::string>> encode(std::string payload);

    boost::asio::awaitable<std::variant<Credential, InvalidCredential>> decode(
        std::string credential);

  private:
    boost::asio::thread_pool thread_{1};
    audit::OutageLog away_{"munged can't be asked: ", "munged answers again"};
};

}  // namespace secrets::auth
