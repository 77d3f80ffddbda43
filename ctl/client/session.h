// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every command needs: a client of the agent, and the output format.

#include <utility>

#include "ctl/client/client.h"
#include "ctl/io/colour.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

class Session {
  public:
    Session(Client client, bool json, Paint paint)
        : client_(std::move(client)), json_(json), paint_(paint) {}

    /// Sends the request, and prints the answer unchanged if JSON output is wanted. Throws
    /// CommandError unless the answer is a success, like check_success().
    Answer ask(const Request& request, ExitCode unavailable = ExitCode::refused) const;

    /// Sends the request like ask(), but prints nothing.
    Answer ask_quietly(const Request& request, ExitCode unavailable = ExitCode::refused) const;

    const Client& client() const { return client_; }
    /// Returns whether a program reads the output: then only answers are printed, as lines of JSON.
    bool json() const { return json_; }
    Paint paint() const { return paint_; }

  private:
    Client client_;
    bool json_;
    Paint paint_;
};

}  // namespace secrets::ctl
