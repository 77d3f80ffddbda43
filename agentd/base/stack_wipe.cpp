// SPDX-License-Identifier: Apache-2.0
#include "agentd/base/stack_wipe.h"

#include <array>

#include "common/secure_memory/wipe.h"

namespace secrets {

[[gnu::noinline]] void wipe_stack() {
    std::array<std::byte, 128 * 1024> below;
    wipe(below);
}

}  // namespace secrets
