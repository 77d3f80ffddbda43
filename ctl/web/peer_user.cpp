// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/peer_user.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace secrets::ctl::web {
namespace {

constexpr const char* kTable = "/proc/net/tcp";
constexpr const char* kTableOfIpv6 = "/proc/net/tcp6";
constexpr const char* kEstablished = "01";

/// Returns an address and port in the table's form: the kernel prints the address as numbers of the
/// host, though its bytes are in the network's order.
std::string words_of(const boost::asio::ip::tcp::endpoint& end, bool is_ipv6) {
    std::array<char, 64> text{};
    const std::uint32_t address = htonl(end.address().to_v4().to_uint());
    if (is_ipv6) {
        std::snprintf(text.data(), text.size(), "%08X%08X%08X%08X:%04X", 0U, 0U, htonl(0xffff),
                      address, unsigned{end.port()});
    } else {
        std::snprintf(text.data(), text.size(), "%08X:%04X", address, unsigned{end.port()});
    }
    return text.data();
}

}  // namespace

std::optional<Uid> find_user_of_peer(std::istream& table, const Connection& connection,
                                     bool is_ipv6) {
    const std::string wanted = " " + words_of(connection.peer, is_ipv6) + " " +
                               words_of(connection.own, is_ipv6) + " " + kEstablished + " ";
    for (std::string line; std::getline(table, line);) {
        if (line.find(wanted) == line.npos) continue;  // a busy host has thousands
        std::istringstream words(line);
        std::string number;
        std::string local;
        std::string remote;
        std::string state;
        std::string queues;
        std::string timer;
        std::string retransmits;
        Uid user;
        std::string timeout;
        std::uint64_t inode = 0;
        words >> number >> local >> remote >> state >> queues >> timer >> retransmits >>
            user.value >> timeout >> inode;
        if (words && inode != 0) return user;
    }
    return std::nullopt;
}

std::optional<Uid> user_of_peer(const Connection& connection) {
    std::ifstream table(kTable);
    if (const auto user = find_user_of_peer(table, connection, false)) return user;
    std::ifstream table_of_ipv6(kTableOfIpv6);
    return find_user_of_peer(table_of_ipv6, connection, true);
}

bool can_look_up_peers() {
    return ::access(kTable, R_OK) == 0;
}

}  // namespace secrets::ctl::web
