// SPDX-License-Identifier: Apache-2.0
#pragma once
// A client of the agent's control socket: one request and its one answer.

#include <chrono>
#include <string>
#include <string_view>

#include "common/secure_memory/wipe.h"

namespace secrets::ctl {

enum class Method { get, put, remove, patch };

struct Request {
    Method method = Method::get;
    std::string target;      ///< path and query, percent-encoded
    SecretView body;         ///< JSON, sent from its own memory; empty: no body
    bool if_new = false;     ///< only if there is nothing of that name yet
    std::string if_match{};  ///< only if it still has this tag; empty: whatever it has
};

struct Answer {
    unsigned status = 0;
    std::string body;
    std::string hub{};  ///< of a 401: the hub that requires a munge credential
};

/// Talks HTTP/1.1 with the agent at `socket_path`, with a new connection for each request. An agent
/// that passes requests on to a hub gets a munge credential with each of them. Thread-safe: each
/// request has its own connection.
class Client {
  public:
    /// `timeout` bounds the wait for a slot in the agent's queue, and then the whole exchange.
    Client(std::string socket_path, std::chrono::milliseconds timeout)
        : socket_path_(std::move(socket_path)), timeout_(timeout) {}

    /// Returns the agent's answer, whatever its status. Throws CommandError (unreachable) if no
    /// complete HTTP answer arrives, or if munged gives no credential: within 3 s if nothing behind
    /// the socket answers anything.
    Answer send(const Request& request) const;

    const std::string& socket_path() const { return socket_path_; }

  private:
    Answer send_once(const Request& request, const std::string& hub) const;

    std::string socket_path_;
    std::chrono::milliseconds timeout_;
};

}  // namespace secrets::ctl
