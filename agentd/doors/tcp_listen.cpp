#include "agentd/doors/tcp_listen.h"

#include <boost/asio/ip/tcp.hpp>

#include "common/call_failed.h"

namespace secrets::doors {
namespace {

/// All nodes of a job may come at once; the kernel's somaxconn cuts it.
constexpr int kBacklog = 4096;

}  // namespace

Result<UniqueFd> listen_at_address(const std::string& address, std::uint16_t port) {
    using Tcp = boost::asio::ip::tcp;
    boost::system::error_code error;
    const auto parsed = boost::asio::ip::make_address(address, error);
    if (error) return Error{"'" + address + "' is no address of this host, as in 0.0.0.0"};
    const Tcp::endpoint endpoint(parsed, port);
    UniqueFd fd(
        socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return call_failed("socket()");
    const int yes = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    const std::string where = address + " port " + std::to_string(port);
    if (bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
        return call_failed("bind() to " + where);
    }
    if (listen(fd.get(), kBacklog) != 0) return call_failed("listen() at " + where);
    return fd;
}

}  // namespace secrets::doors
