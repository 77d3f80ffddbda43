// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "agentd/audit/audit_log.h"

namespace secrets::server {

/// Names a request for the report of its failure. Shared with what reports, since the coroutine
/// that serves the request is gone by then.
struct RequestLabel {
    std::string caller;
    std::string request = "a request that was not read";
};

/// For spawn_request(): reports that a server could not answer the request.
inline auto report_failure(std::string server, std::shared_ptr<const RequestLabel> label) {
    return [server = std::move(server), label = std::move(label)](const std::string& why) {
        audit::report_problem(server + ": cannot answer " + label->request + " from " +
                              label->caller + ": " + why);
    };
}

}  // namespace secrets::server
