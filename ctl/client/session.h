// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every command has: an agent to ask, and a way in which its answer is wanted.

#include <utility>

#include "ctl/client/client.h"
#include "ctl/io/colour.h"

namespace secrets::ctl {

class Session {
  public:
    Session(Client client, bool json, Paint paint)
        : client_(std::move(client)), json_(json), paint_(paint) {}

    /// Sends it; prints the answer as it is when that is wanted. Throws CommandError unless it is a
    /// success.
    Answer ask(const Request& request) const;

    /// The same, but prints nothing.
    Answer ask_quietly(const Request& request) const;

    const Client& client() const { return client_; }
    /// Whether a program reads the output: then answers alone are printed, as lines of JSON.
    bool json() const { return json_; }
    Paint paint() const { return paint_; }

  private:
    Client client_;
    bool json_;
    Paint paint_;
};

}  // namespace secrets::ctl
