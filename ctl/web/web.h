// SPDX-License-Identifier: Apache-2.0
#pragma once
// `secretctl web`: the user's secrets in their browser, served by their own process.

#include <optional>
#include <string>

#include "ctl/client/session.h"

namespace secrets::ctl::web {

struct Options {
    std::optional<std::string> port;         ///< absent: a free one
    std::optional<std::string> unix_socket;  ///< a path; then there is no port and no link
    bool no_browser = false;
    std::string idle = "1h";  ///< ends after so long without use
};

/// Serves the page until SIGINT, SIGTERM or SIGHUP, or until nobody has used it for a time. All
/// that the page asks is asked of the agent as this user. Throws CommandError if it cannot begin.
ExitCode serve_page(const Session& agent, const Options& options);

}  // namespace secrets::ctl::web
