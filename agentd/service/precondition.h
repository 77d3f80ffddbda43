// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/status.h"

namespace secrets::service {

/// The condition of a change of a run or a stored secret; always true if default-constructed.
struct Precondition {
    std::optional<std::uint64_t> generation{};  ///< the object has this generation
    bool exists = false;                        ///< the object exists
    bool is_new = false;                        ///< the object does not exist

    /// Returns the error if the condition is false for `what`, whose generation is `has`; an empty
    /// `has` means that the object does not exist.
    Status check(const std::string& what, std::optional<std::uint64_t> has) const;
};

}  // namespace secrets::service
