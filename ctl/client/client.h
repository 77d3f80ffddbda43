// SPDX-License-Identifier: Apache-2.0
#pragma once
// One request to the agent's control socket and its one answer.

#include <chrono>
#include <string>
#include <string_view>

#include "common/secure_memory/wipe.h"

namespace secrets::ctl {

enum class Method { get, put, remove, patch };

struct Request {
    Method method = Method::get;
    std::string target;  ///< path and query, percent-encoded
    SecretView body;     ///< JSON, sent from where it lies; empty for none
};

struct Answer {
    unsigned status = 0;
    std::string body;
    std::string hub{};  ///< of a 401: the hub that a munge credential is to be made for
};

/// Talks HTTP/1.1 with the agent at `socket_path`, on a connection of its own for each request. An
/// agent that passes requests on to a hub gets a munge credential with them.
class Client {
  public:
    /// `timeout` bounds the wait for a place in the agent's queue, and then the whole exchange.
    Client(std::string socket_path, std::chrono::seconds timeout)
        : socket_path_(std::move(socket_path)), timeout_(timeout) {}

    /// Throws CommandError (unreachable) when no whole HTTP answer comes, or munged gives no
    /// credential. A refusal is an answer.
    Answer send(const Request& request) const;

    const std::string& socket_path() const { return socket_path_; }

  private:
    Answer send_once(const Request& request, const std::string& hub) const;

    std::string socket_path_;
    std::chrono::seconds timeout_;
};

/// `text` as one part of a path or a query: all but letters, digits and `-._~` is encoded.
std::string percent_encoded(std::string_view text);

}  // namespace secrets::ctl
