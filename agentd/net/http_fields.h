// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names the fields of HTTP that are this project's own.

#include <string_view>

namespace secrets::net {

/// The field of a response with a line for the job's stderr.
inline constexpr std::string_view kNoteField = "Slurm-Secrets-Note";

}  // namespace secrets::net
