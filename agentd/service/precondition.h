// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/status.h"

namespace secrets::service {

/// What must hold for a change of a run or a kept secret; nothing where it is default-made.
struct Precondition {
    std::optional<std::uint64_t> generation{};  ///< it has this one
    bool exists = false;                        ///< it is there
    bool is_new = false;                        ///< it is not there

    /// The refusal where it does not hold for `what`, which has that generation; nothing: it is not
    /// there.
    Status check(const std::string& what, std::optional<std::uint64_t> has) const;
};

}  // namespace secrets::service
