#include "agentd/wipe_stack.h"

#include <array>

#include "common/wipe.h"

namespace secrets {

[[gnu::noinline]] void wipe_stack() {
    std::array<std::byte, 128 * 1024> below;
    wipe(below);
}

}  // namespace secrets
