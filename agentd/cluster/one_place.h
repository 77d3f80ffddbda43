#pragma once

#include <optional>

#include "agentd/desk/desk.h"
#include "agentd/doors/routes.h"

namespace secrets::cluster {

/// The refusal of a request whose credential was not made at the connection's other end. Where
/// munged knows no address of its host it says a loopback one, which tells nothing.
inline std::optional<desk::Refusal> why_not_of_one_place(const doors::Origin& origin) {
    const bool may_be = origin.munge_address.empty() || origin.munge_address.starts_with("127.") ||
                        origin.munge_address == "0.0.0.0" ||
                        origin.munge_address == origin.address ||
                        origin.address.find(':') != origin.address.npos;
    if (may_be) return std::nullopt;
    return desk::Refusal{desk::Reason::forbidden, "the munge credential was made at " +
                                                      origin.munge_address + " and came from " +
                                                      origin.address};
}

}  // namespace secrets::cluster
