// SPDX-License-Identifier: Apache-2.0
#include "spank/marker_request.h"

namespace secrets::spank {

std::optional<Marker> request_marker(const std::string&) {
    return std::nullopt;
}

}  // namespace secrets::spank
