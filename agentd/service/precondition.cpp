// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/precondition.h"

namespace secrets::service {

Status Precondition::check(const std::string& what, std::optional<std::uint64_t> has) const {
    if (is_new && has) return Status(StatusCode::failed_precondition, what + " already exists");
    if (!has && (exists || generation))
        return Status(StatusCode::failed_precondition, what + " does not exist");
    if (!generation || *generation == *has) return Status();
    return Status(StatusCode::failed_precondition,
                  what + " has generation " + std::to_string(*has) + ", not " +
                      std::to_string(*generation) + ": it was changed in the meantime");
}

}  // namespace secrets::service
