// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace secrets {

/// Overwrites the part of the stack below the caller that a request's parsers may have used
/// (Boost.JSON reads strings through 4 KiB of it). Must be called from the function that dispatched
/// the request.
void wipe_stack();

}  // namespace secrets
