// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/unit/catch.h"

/// Leaves a test case that this machine can't run, and says why. ctest looks for the word and lists
/// the case as skipped, even if a check failed: so it comes before the first check.
#define SKIP_BECAUSE(reason)      \
    do {                          \
        WARN("SKIPPED: " reason); \
        return;                   \
    } while (false)
