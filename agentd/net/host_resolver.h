// SPDX-License-Identifier: Apache-2.0
#pragma once
// Looks up the addresses of hosts. A lookup may hang for as long as the resolver of the host does,
// and holds up no other one.

#include <boost/asio/execution_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agentd/net/async_condition.h"
#include "common/base/status.h"

namespace secrets::net {

using HostAddresses = std::vector<asio::ip::address>;

/// What is known of a host's addresses. If the last lookup failed, or has not ended yet, they are
/// those of the last one that succeeded.
struct HostLookup {
    HostAddresses addresses{};  ///< empty: unknown
    std::string trouble{};      ///< why they may be outdated or are unknown; empty if neither
};

/// The resolver of an event loop, a service of it: all connections and lists of hosts share what is
/// known of a name. Each name in flight has a thread of its own; an address is parsed without one.
/// To be used in the loop's thread.
class HostResolver : public asio::execution_context::service {
  public:
    using Clock = std::chrono::steady_clock;
    /// Returns the addresses of a name. Called by several threads at a time; may block.
    using Query = std::function<StatusOr<HostAddresses>(const std::string& name)>;
    /// What a lookup is for: a request waits for a connection and for nothing else, so that other
    /// lookups occupy only a part of the threads.
    enum class Use { connection, background };

    inline static asio::execution_context::id id;

    static HostResolver& of(asio::io_context& loop) {
        return asio::use_service<HostResolver>(loop);
    }

    explicit HostResolver(asio::io_context& loop);
    ~HostResolver() override;

    /// Replaces getaddrinfo(), for tests.
    void set_query(Query query);

    /// Starts to look a name up, if it is not an address, nor looked up already.
    void begin(const std::string& name, Use use);

    /// Looks a name up, and waits until the deadline. For a connection to a name whose addresses
    /// are known, waits only for a moment, and then returns these.
    asio::awaitable<HostLookup> look_up(std::string name, Use use, Clock::time_point deadline);

  private:
    struct Host {
        HostAddresses addresses{};
        std::string trouble{};            ///< of the last lookup
        bool is_in_flight = false;        ///< a lookup is
        Clock::time_point began_at{};     ///< the last lookup
        Clock::time_point resolved_at{};  ///< the last one that succeeded
    };
    struct Shared;
    struct Task;

    void shutdown() override;
    bool begin(const std::string& name, Host& host, Use use);
    void take(const std::string& name, StatusOr<HostAddresses> answer);
    static void* run(void* task);
    static void pass_on(const Task& task, StatusOr<HostAddresses> answer);

    std::map<std::string, Host> hosts_;  ///< those that the configuration named
    AsyncCondition changed_;             ///< some lookup has ended
    std::shared_ptr<Shared> shared_;     ///< with the threads, which may outlive this
};

}  // namespace secrets::net
