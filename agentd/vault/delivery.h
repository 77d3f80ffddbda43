// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/base/unique_fd.h"

namespace secrets::vault {

/// A delivery for one step: the descriptor of a fresh region that holds the image. The values are
/// readable through the descriptor, and are freed when its last duplicate is closed.
struct Delivery {
    UniqueFd fd;
    std::uint32_t image_length = 0;
};

}  // namespace secrets::vault
