// SPDX-License-Identifier: Apache-2.0
#pragma once
// The variable SLURM_SECRETS_OUTER, in which an inner command tells its step what the job around it
// was given: `NAME KIND ["!"]` without blanks, separated by commas.

#include <string>
#include <string_view>
#include <vector>

#include "common/ipc/marker.h"

namespace secrets::spank {

struct OuterMark {
    std::string variable;
    MarkKind kind = MarkKind::named;
    /// `!`: the command inherits the request, and its environment lacked the variable. Where the
    /// step has it all the same, --export set it.
    bool is_removed = false;
};

std::string print_outer_marks(const std::vector<OuterMark>& marks);

/// Skips malformed parts: the variable is the user's.
std::vector<OuterMark> parse_outer_marks(std::string_view text);

}  // namespace secrets::spank
