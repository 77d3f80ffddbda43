// SPDX-License-Identifier: Apache-2.0
#pragma once
// The user at the other end of a connection of this host with itself.

#include <boost/asio/ip/tcp.hpp>
#include <istream>
#include <optional>
#include <string>

#include "common/base/ids.h"

namespace secrets::ctl::web {

/// Both ends of a TCP connection over IPv4: `peer` is the other process's, `own` this one's.
struct Connection {
    boost::asio::ip::tcp::endpoint peer;
    boost::asio::ip::tcp::endpoint own;
};

/// Returns the user whose process made the connection, as the kernel's table of connections has it
/// (/proc/net/tcp, since Linux 2.6). Nothing if the table cannot be read, or if no process has the
/// peer's end any longer: of such a connection the kernel shows the uid 0.
std::optional<Uid> user_of_peer(const Connection& connection);

/// Returns whether the kernel's table can be read.
bool can_look_up_peers();

/// Looks the connection up in a table of this form: lines of words, of which the second to fourth
/// are the two ends and the state, the eighth is the uid, and the tenth the inode of the process's
/// descriptor: 0 if no process has one. `is_ipv6`: the table of IPv6, which
/// has the connections of programs that use an IPv4 address with a socket for IPv6.
std::optional<Uid> find_user_of_peer(std::istream& table, const Connection& connection,
                                     bool is_ipv6);

}  // namespace secrets::ctl::web
