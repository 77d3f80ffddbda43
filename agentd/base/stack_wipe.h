// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace secrets {

/// Overwrites the part of the stack below the caller that a request's parsers may have used
/// (Boost.JSON reads strings through 4 KiB of it). To be called from where the request was handed
/// out.
void wipe_stack();

}  // namespace secrets
