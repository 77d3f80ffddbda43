// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <optional>
#include <system_error>

#include "common/base/ids.h"
#include "common/base/unique_fd.h"
#include "ctl/io/exit_codes.h"
#include "ctl/web/peer_user.h"

namespace secrets::ctl::web {
namespace {

namespace asio = boost::asio;
using asio::generic::stream_protocol;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;

CommandError cannot_listen(const std::string& at, const std::string& why) {
    return CommandError(ExitCode::bad_input, "cannot listen at " + at + ": " + why);
}

std::string error_words() {
    return std::generic_category().message(errno);
}

/// Throws CommandError unless nothing listens at a Unix socket.
void check_nothing_listens(const std::string& path) {
    asio::io_context loop(1);
    Local::socket probe(loop, Local());
    probe.non_blocking(true);  // a program that does not accept would block it
    boost::system::error_code error;
    probe.connect(Local::endpoint(path), error);
    if (error == asio::error::connection_refused) return;
    const bool is_used = !error || error == asio::error::would_block;
    throw cannot_listen(path, (is_used ? "another program listens there" : error.message()) +
                                  "; choose another path");
}

/// Removes a socket that an ended process left. Throws CommandError if the path is anything else.
void remove_stale_socket(const std::string& path) {
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0) return;
    if (!S_ISSOCK(found.st_mode))
        throw cannot_listen(path, "it is not a socket; choose another path");
    check_nothing_listens(path);
    if (::unlink(path.c_str()) != 0) throw cannot_listen(path, error_words());
}

/// Returns an endpoint of a connection over IPv4; nothing if it is of another family.
std::optional<tcp::endpoint> as_tcp(const stream_protocol::endpoint& end) {
    if (end.data()->sa_family != AF_INET) return std::nullopt;
    tcp::endpoint found;
    std::memcpy(found.data(), end.data(), found.size());
    return found;
}

/// Keeps other processes from replacing a socket in the same folder until the descriptor is closed:
/// two that start at once would each take the socket of the other for one that was left.
UniqueFd lock_folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
    UniqueFd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock)
        throw cannot_listen(path,
                            "cannot open its folder: " + error_words() + "; choose another path");
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        throw cannot_listen(
            path,
            "another program has locked its folder; try again, or choose a folder of your own");
    }
    return lock;
}

/// Returns 0 if there is no such file.
ino_t inode_of(const std::string& path) {
    struct stat found {};
    return ::lstat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

std::optional<Uid> user_of(Socket& socket) {
    boost::system::error_code error;
    const auto own = as_tcp(socket.local_endpoint(error));
    if (error) return std::nullopt;
    if (own) {
        const auto peer = as_tcp(socket.remote_endpoint(error));
        return peer ? user_of_peer({*peer, *own}) : std::nullopt;
    }
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return std::nullopt;
    return Uid{peer.uid};
}

}  // namespace

Listener Listener::on_loopback(asio::io_context& loop, std::uint16_t port) {
    if (!can_look_up_peers()) {
        throw cannot_listen("127.0.0.1",
                            "other users could not be told from this one, since "
                            "/proc/net/tcp cannot be read; use --unix-socket PATH");
    }
    const stream_protocol::endpoint at = tcp::endpoint(asio::ip::address_v4::loopback(), port);
    try {
        return Listener(Acceptor(loop, at));
    } catch (const boost::system::system_error& error) {
        const std::string words = "127.0.0.1:" + std::to_string(port);
        const bool is_used = error.code() == asio::error::address_in_use;
        throw cannot_listen(words, error.code().message() +
                                       (is_used ? "; choose another --port, or leave it out" : ""));
    }
}

Listener Listener::on_unix_socket(asio::io_context& loop, const std::string& path) {
    if (path.empty()) throw CommandError(ExitCode::bad_input, "--unix-socket requires a path");
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        throw cannot_listen(path, "the path is longer than a socket's may be (107 bytes)");
    }
    const UniqueFd lock = lock_folder_of(path);
    remove_stale_socket(path);
    const mode_t mask = ::umask(0177);
    boost::system::error_code error;
    Acceptor acceptor(loop, stream_protocol(AF_UNIX, 0));
    acceptor.bind(Local::endpoint(path), error);
    ::umask(mask);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) throw cannot_listen(path, error.message() + "; choose another path");
    Listener listener(std::move(acceptor));
    listener.path_ = path;
    listener.inode_ = inode_of(path);
    return listener;
}

Listener::Listener(Listener&& other) noexcept
    : acceptor_(std::move(other.acceptor_)),
      path_(std::exchange(other.path_, {})),
      inode_(other.inode_) {}

Listener::~Listener() {
    if (!path_.empty() && inode_of(path_) == inode_) ::unlink(path_.c_str());
}

asio::awaitable<Socket> Listener::accept(boost::system::error_code& error) {
    return acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
}

std::uint16_t Listener::port() const {
    const auto at = as_tcp(acceptor_.local_endpoint());
    return at ? at->port() : std::uint16_t{0};
}

Status check_peer(Socket& socket) {
    const auto user = user_of(socket);
    // root could do it anyway.
    if (user && (user->value == ::geteuid() || user->value == 0)) return Status();
    return Status(StatusCode::permission_denied,
                  user ? "this page is another user's: start your own with 'secretctl web'"
                       : "cannot tell which user connects; reload the page");
}

}  // namespace secrets::ctl::web
