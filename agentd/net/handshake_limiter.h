// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <deque>
#include <functional>
#include <list>
#include <string>

#include "agentd/net/asio.h"
#include "agentd/net/connection_limits.h"

namespace secrets::net {

/// Who shakes hands with a door, and when: first come, first served, so many at a time. All at
/// once, the first would be done when the last is, and most would have gone by then.
///
/// Until its turn a client costs little more than its socket. One that has said nothing waits for
/// no turn and takes no place; one that goes before its turn is passed over. A client that lets the
/// door wait in mid-handshake may go on with it, but loses its place.
///
/// Must outlive the loop's run, and the places that it gives.
class HandshakeLimiter {
    struct Held {
        int fd;
        std::chrono::steady_clock::time_point since;
        bool lost = false;
    };

  public:
    using Tcp = boost::asio::ip::tcp;

    struct Client {
        Tcp::socket socket;
        ConnectionLimits::Counted counted;
    };

    /// For as long as the handshake lasts; must go before its client's socket is closed.
    class Slot {
      public:
        Slot(Slot&& other) noexcept;
        Slot& operator=(Slot&&) = delete;
        ~Slot();

      private:
        friend HandshakeLimiter;
        Slot(HandshakeLimiter& queue, std::list<Held>::iterator held)
            : queue_(&queue), held_(held) {}

        HandshakeLimiter* queue_;
        std::list<Held>::iterator held_;
    };

    struct Manner {
        std::size_t places;
        /// How long a client may say nothing at all.
        std::chrono::milliseconds silence;
        /// How long a client may let the door wait while others want its place.
        std::chrono::milliseconds stall;
        /// Where so many let it wait at once it is the network that is slow, and not they: then
        /// this long, so that those who have begun are done before others begin.
        std::size_t many = 1024;
        std::chrono::milliseconds stall_of_many = std::chrono::seconds(1);
    };

    /// `begin`: it is this client's turn. `say_silent`: a client of that address is turned away,
    /// since it said nothing.
    HandshakeLimiter(asio::io_context& loop, Manner manner, std::function<void(Client, Slot)> begin,
                     std::function<void(const std::string& address)> say_silent);

    void add(Client client);

    /// Drops all whose turn has not come, and who comes from now on.
    void stop();

  private:
    struct Silent {
        Client client;
        std::chrono::steady_clock::time_point until;
        bool left = false;  ///< whether it is turned away already
    };

    void spoke(std::list<Silent>::iterator silent, const ErrorCode& error);
    void begin_next();
    void give_back(std::list<Held>::iterator held);
    void watch_silent();
    void turn_silent_away();
    void watch_stalled();
    void take_places_of_stalled();

    Manner manner_;
    std::function<void(Client, Slot)> begin_;
    std::function<void(const std::string& address)> say_silent_;
    std::list<Silent> silent_;    ///< in the order in which they came
    std::deque<Client> waiting_;  ///< for their turn
    std::list<Held> held_;        ///< in the order of their turns
    std::list<Held> lost_;        ///< by those who stalled, and still shake hands
    asio::steady_timer silence_;
    asio::steady_timer stall_;
    bool watches_silent_ = false;
    bool watches_stalled_ = false;
    bool begins_ = false;
    bool stopped_ = false;
};

}  // namespace secrets::net
