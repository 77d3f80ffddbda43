// SPDX-License-Identifier: Apache-2.0
#pragma once
// A client's end of the control socket, byte by byte.

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"
#include "common/ipc/unix_socket.h"
#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"

namespace secrets {

struct HttpReply {
    unsigned status = 0;
    std::string head;
    std::string body;

    bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
};

/// One connection to a server that runs in `loop`.
class HttpClient {
  public:
    HttpClient(EventLoop& loop, const std::string& path)
        : loop_(loop), fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        REQUIRE(connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
                0);
    }

    void send(std::string_view text) {
        const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
        REQUIRE(sent == static_cast<ssize_t>(text.size()));
    }
    /// Sends a request with a body of JSON, if it has one.
    void request(const std::string& method, const std::string& target,
                 const std::string& body = "") {
        std::string text = method + " " + target + " HTTP/1.1\r\nHost: x\r\n";
        if (!body.empty()) {
            text +=
                "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n";
        }
        send(text + "\r\n" + body);
    }

    /// Returns the next response, or nothing if the server closes the connection before one is
    /// complete. `has_body`: whether the body that Content-Length announces follows.
    std::optional<HttpReply> next(bool has_body = true) {
        while (true) {
            if (auto reply = take_reply(has_body)) return reply;
            if (!read_more()) return std::nullopt;
        }
    }
    std::optional<HttpReply> ask(const std::string& method, const std::string& target,
                                 const std::string& body = "") {
        request(method, target, body);
        return next();
    }

    /// Returns whether the server closes the connection, and sends nothing before.
    bool is_closed_by_server() { return received_.empty() && !read_more(); }
    bool is_answered() const { return is_readable(fd_.get()); }
    void close() { fd_ = UniqueFd(); }

  private:
    bool read_more() {
        REQUIRE(loop_.turns_until([&] { return is_readable(fd_.get()); }));
        std::array<char, 65536> buffer;
        const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), 0);
        if (size > 0) received_.append(buffer.data(), static_cast<std::size_t>(size));
        return size > 0;
    }

    std::optional<HttpReply> take_reply(bool has_body) {
        const auto end = received_.find("\r\n\r\n");
        if (end == std::string::npos) return std::nullopt;
        HttpReply reply;
        reply.head = received_.substr(0, end + 2);
        std::size_t length = 0;
        const std::string_view field = "Content-Length: ";
        const auto at = reply.head.find(field);
        if (has_body && at != std::string::npos) {
            const char* const digits = reply.head.data() + at + field.size();
            std::from_chars(digits, reply.head.data() + reply.head.size(), length);
        }
        if (received_.size() < end + 4 + length) return std::nullopt;
        reply.status = static_cast<unsigned>(std::stoul(reply.head.substr(sizeof("HTTP/1.1"))));
        reply.body = received_.substr(end + 4, length);
        received_.erase(0, end + 4 + length);
        return reply;
    }

    EventLoop& loop_;
    UniqueFd fd_;
    std::string received_;
};

}  // namespace secrets
