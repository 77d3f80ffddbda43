// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/munge_credential.h"

#include <signal.h>

#include "common/auth/hub_request.h"
#include "common/auth/munge_credential.h"
#include "common/auth/sha256.h"
#include "common/base/text_encoding.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

std::string munge_credential(const std::string& hub, std::string_view method,
                             const Request& request) {
    // libmunge raises SIGPIPE if munged ends during a request.
    ::signal(SIGPIPE, SIG_IGN);
    const std::string payload = print_hub_request(
        {hub, std::string(method), request.target, to_hex(sha256_of(request.body.bytes()))});
    auto credential = make_munge_credential(payload);
    if (credential) return std::move(credential).value();
    throw CommandError(ExitCode::unreachable,
                       "the hub " + hub + " requires MUNGE authentication, which failed: " +
                           credential.status().message() + "; is munged running?");
}

}  // namespace secrets::ctl
