// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/unit/catch.h"

/// Leaves a test case that this machine can't run, and prints the reason. ctest searches for the
/// word and lists the case as skipped, even if a check failed: so the macro must precede the first
/// check.
#define SKIP_BECAUSE(reason)      \
    do {                          \
        WARN("SKIPPED: " reason); \
        return;                   \
    } while (false)
