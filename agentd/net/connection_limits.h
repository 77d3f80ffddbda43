// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "common/base/status.h"

namespace secrets::net {

/// Limits the open connections of a server: in total, those of each address on which no caller has
/// proved its identity yet, and those of each caller at an address. So one user of a host, who can
/// open connections and prove that they are this user's, takes no place of the host's agent.
///
/// If a new connection would exceed a limit of unproven ones, the unproven connection whose client
/// has been silent for the longest is closed for it.
class ConnectionLimits {
    using Tcp = boost::asio::ip::tcp;
    using Clock = std::chrono::steady_clock;

    using Callers = std::map<std::string, std::size_t>;
    struct Connection {
        Clock::time_point came = Clock::now();
        Tcp::socket* socket = nullptr;
        bool is_unproven = true;
        bool is_counted = true;  ///< false if closed for another
        bool is_busy = false;    ///< a request is being served
        std::optional<Callers::iterator> caller{};
    };
    struct Address {
        std::size_t open = 0;
        std::list<Connection> unproven;  ///< in the order of their arrival
        std::list<Connection> others;    ///< proven, or about to end
        Callers callers;
    };
    using Addresses = std::map<std::string, Address>;

  public:
    struct Most {
        std::size_t together;
        std::size_t unproven_of_one_address;
        std::size_t of_one_caller;  ///< at one address
    };
    /// `note` is called with the address and the cause if a connection was closed for another.
    using Note = std::function<void(const std::string& address, const std::string& why)>;
    ConnectionLimits(Most most, Note note) : most_(most), note_(std::move(note)) {}

    /// One connection, counted for the object's lifetime. The limits must outlive the object.
    class Counted {
      public:
        Counted(Counted&& other) noexcept;
        Counted& operator=(Counted&&) = delete;
        ~Counted();

        const std::string& address() const { return address_->first; }
        /// Sets the socket that is shut down if the connection has to give way. To be called again
        /// if the socket is moved to another object.
        void follow(Tcp::socket& socket) { connection_->socket = &socket; }
        /// Marks whether a request is being served: it is the server's turn then, whatever that
        /// waits for, and the connection gives way to no other.
        void set_busy(bool is_busy) { connection_->is_busy = is_busy; }
        /// Counts the connection as that of `caller`, from the first call on. The Status says that
        /// the caller has too many; the connection is unproven then.
        Status prove(const std::string& caller);

      private:
        friend ConnectionLimits;
        Counted(ConnectionLimits& limits, Addresses::iterator address,
                std::list<Connection>::iterator connection)
            : limits_(&limits), address_(address), connection_(connection) {}

        ConnectionLimits* limits_;
        Addresses::iterator address_;
        std::list<Connection>::iterator connection_;
    };

    /// Counts a connection. The Status says which limit is reached.
    StatusOr<Counted> admit(const std::string& address);

  private:
    bool close_silent(Addresses::iterator address);
    Addresses::iterator most_unproven();

    Most most_;
    Note note_;
    std::size_t open_ = 0;  ///< without those that were closed for another
    Addresses addresses_;
};

}  // namespace secrets::net
