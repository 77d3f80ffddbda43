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

/// Limits the number of concurrent TLS handshakes of a server, first come, first served. With all
/// at once, the first would end when the last does, and most clients would have left by then.
///
/// Until its turn a client costs little more than its socket. A client that has sent nothing does
/// not queue and takes no slot; one that leaves before its turn is skipped. A client that stalls in
/// mid-handshake may go on with it, but loses its slot.
///
/// Must outlive the loop's run, and the slots that it gives.
class HandshakeLimiter {
    struct Held {
        int fd;
        std::chrono::steady_clock::time_point since;
        bool lost = false;
    };

  public:
    using Tcp = boost::asio::ip::tcp;

    struct Client {
        Client(Tcp::socket accepted, ConnectionLimits::Counted count)
            : socket(std::move(accepted)), counted(std::move(count)) {
            counted.follow(socket);
        }
        Client(Client&& other) noexcept
            : socket(std::move(other.socket)), counted(std::move(other.counted)) {
            counted.follow(socket);
        }
        Client& operator=(Client&&) = delete;
        ~Client() = default;

        Tcp::socket socket;
        ConnectionLimits::Counted counted;
    };

    /// A client's slot, for as long as its handshake lasts. Must be destroyed before the client's
    /// socket is closed.
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
        std::size_t slots;
        /// How long a client may send nothing at all.
        std::chrono::milliseconds silence;
        /// How long a client may stall while others wait for its slot.
        std::chrono::milliseconds stall;
        /// If so many clients stall at once, the network is slow, and not the clients. Then
        /// `stall_of_many` applies, so that handshakes that have begun end before others begin.
        std::size_t many = 1024;
        std::chrono::milliseconds stall_of_many = std::chrono::seconds(1);
    };

    /// `begin` is called at a client's turn. `say_silent` is called when a client of that address
    /// is turned away because it sent nothing.
    HandshakeLimiter(asio::io_context& loop, Manner manner, std::function<void(Client, Slot)> begin,
                     std::function<void(const std::string& address)> say_silent);

    void add(Client client);

    /// Drops all clients whose turn has not come, and all later ones.
    void stop();

  private:
    struct Silent {
        Client client;
        std::chrono::steady_clock::time_point until;
        bool left = false;  ///< turned away already
    };

    void wait_for_data(std::list<Silent>::iterator silent);
    void spoke(std::list<Silent>::iterator silent, const ErrorCode& error);
    void begin_next();
    void give_back(std::list<Held>::iterator held);
    void watch_silent();
    void turn_silent_away();
    void watch_stalled();
    void take_slots_of_stalled();

    Manner manner_;
    std::function<void(Client, Slot)> begin_;
    std::function<void(const std::string& address)> say_silent_;
    std::list<Silent> silent_;    ///< in the order of their arrival
    std::deque<Client> waiting_;  ///< for their turn
    std::list<Held> held_;        ///< in the order of their turns
    std::list<Held> lost_;        ///< of clients that stalled and still shake hands
    asio::steady_timer silence_;
    asio::steady_timer stall_;
    bool watches_silent_ = false;
    bool watches_stalled_ = false;
    bool begins_ = false;
    bool stopped_ = false;
};

}  // namespace secrets::net
