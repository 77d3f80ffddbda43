// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/base/status.h"

namespace secrets {

/// Returns a munge credential of this process for `payload`; the Status is why munged gives none.
/// Waits for munged. The caller must ignore SIGPIPE, which libmunge raises if munged ends during
/// the call.
StatusOr<std::string> make_munge_credential(const std::string& payload);

}  // namespace secrets
