// SPDX-License-Identifier: Apache-2.0
#pragma once
// The user at the other end of a connection of this host with itself.

#include <boost/asio/ip/tcp.hpp>
#include <istream>
#include <optional>
#include <string>

#include "common/base/ids.h"

namespace secrets::ctl::web {

/// Both ends of a TCP connection over IPv4, as the process at `peer` sees it.
struct Connection {
    boost::asio::ip::tcp::endpoint peer;
    boost::asio::ip::tcp::endpoint own;
};

/// Returns the user whose process made the connection, as the kernel's table of connections has it
/// (/proc/net/tcp, Linux 2.6 to 6.17). Nothing if the table cannot be read, or if the peer has
/// closed its end: of such a connection the kernel forgets the user.
std::optional<Uid> user_of_peer(const Connection& connection);

/// Looks the connection up in a table of this form: lines of words, of which the second to fourth
/// are the two ends and the state, and the eighth is the uid. `is_ipv6`: the table of IPv6, which
/// has the connections of programs that use an IPv4 address with a socket for IPv6.
std::optional<Uid> find_user_of_peer(std::istream& table, const Connection& connection,
                                     bool is_ipv6);

}  // namespace secrets::ctl::web
