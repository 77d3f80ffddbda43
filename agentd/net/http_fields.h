// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names the fields of HTTP that are this project's own.

#include <string_view>

namespace secrets::net {

/// A response's field: a line for the stderr of the job.
inline constexpr std::string_view kNoteField = "Slurm-Secrets-Note";

}  // namespace secrets::net
