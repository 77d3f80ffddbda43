// SPDX-License-Identifier: Apache-2.0
#pragma once
// Calls munged. As libmunge waits for munged, it runs in a thread of its own. The process must
// ignore SIGPIPE, which libmunge raises if munged ends during a call.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <functional>
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

/// Encodes and decodes credentials for one event loop, in the order in which they come. Each call
/// has a deadline; one that has passed it, or whose client has gone, is not made any more. Reports
/// that munged can't decode credentials once for as long as that lasts. The destructor waits for a
/// call of munged in progress.
class Munge {
  public:
    Munge() = default;
    Munge(const Munge&) = delete;
    Munge& operator=(const Munge&) = delete;
    ~Munge();

    /// Returns a credential of this process for `payload`. Fails if munged can't be reached.
    boost::asio::awaitable<StatusOr<std::string>> encode(std::string payload);

    /// Decodes a credential. Returns `unavailable` if munged can't be reached; any other error is
    /// the credential's own. `is_gone`: returns whether nobody waits for the answer any more; must
    /// be callable until the answer is returned.
    boost::asio::awaitable<StatusOr<Credential>> decode(std::string credential,
                                                        std::function<bool()> is_gone = nullptr);

    /// Returns why munged gave no answer to the last call; empty if it gave one.
    const std::string& trouble() const { return trouble_; }

  private:
    struct Call {
        std::function<bool()> is_wanted;  ///< asked when the call's turn comes
        std::function<void()> make;       ///< called in the thread
        std::function<void()> end;        ///< called in the loop, also if the call was not made
    };
    struct Queue {
        boost::asio::thread_pool thread{1};
        std::deque<std::shared_ptr<Call>> calls{};
        bool is_calling = false;
    };
    template <typename Answer>
    boost::asio::awaitable<std::optional<Answer>> ask(std::string text,
                                                      Answer (*function)(const std::string&),
                                                      std::function<bool()> is_gone);
    static void call_next(const std::shared_ptr<Queue>& queue,
                          const boost::asio::any_io_executor& loop);
    static void call_next_if_memory_allows(const std::shared_ptr<Queue>& queue,
                                           const boost::asio::any_io_executor& loop);

    std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
    std::string trouble_;
    audit::OutageLog away_{"cannot query munged: ", "munged answers again"};
};

}  // namespace secrets::auth
