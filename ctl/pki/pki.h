// SPDX-License-Identifier: Apache-2.0
#pragma once
// `secretctl pki`: a small CA in a directory, for sites that have none. It speaks to no agent.

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
    std::string days = "825";  ///< as it was said
    bool client = false;       ///< a client's alone
    bool server = false;       ///< a server's alone; neither of them: both
};

/// Makes the directory where it is not there, and in it ca.key and ca.crt, of which neither may be
/// there. `json`: what was made is said as one line of JSON.
ExitCode init(const Options& options, bool json);

/// Makes NAME.key and NAME.crt in the directory, of which neither may be there.
ExitCode issue(const Options& options, bool json);

}  // namespace secrets::ctl::pki
