// SPDX-License-Identifier: Apache-2.0
#pragma once
// Catch2 as Debian 13 has it (version 3) or as Debian 12 has it (version 2).

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
