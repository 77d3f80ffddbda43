#pragma once

#include "agentd/doors/routes.h"

namespace secrets::cluster {

/// Whether the credential may have been made at the connection's other end. Where munged knows no
/// address of its host it says a loopback one, which tells nothing.
inline bool is_of_one_place(const doors::Origin& origin) {
    return origin.munge_address.empty() || origin.munge_address.starts_with("127.") ||
           origin.munge_address == "0.0.0.0" || origin.munge_address == origin.address ||
           origin.address.find(':') != origin.address.npos;
}

}  // namespace secrets::cluster
