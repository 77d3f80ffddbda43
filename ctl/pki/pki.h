// SPDX-License-Identifier: Apache-2.0
#pragma once
// `secretctl pki`: a small CA in a directory, for sites that have no CA. It contacts no agent.

#include <string>
#include <vector>

#include "ctl/io/exit_codes.h"

namespace secrets::ctl::pki {

struct Options {
    std::string directory;
    std::string name;
    std::vector<std::string> dns;
    std::vector<std::string> ip;
    std::vector<std::string> uri;
    std::string days = "825";  ///< as given on the command line
    bool client = false;       ///< for a client only
    bool server = false;       ///< for a server only; neither of them: for both
};

/// Makes the directory if it is missing, and ca.key and ca.crt in it, neither of which may exist
/// before. `json`: prints the result as one line of JSON.
ExitCode init(const Options& options, bool json);

/// Makes NAME.key and NAME.crt in the directory, neither of which may exist before.
ExitCode issue(const Options& options, bool json);

}  // namespace secrets::ctl::pki
