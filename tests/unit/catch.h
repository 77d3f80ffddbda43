// SPDX-License-Identifier: Apache-2.0
#pragma once
// Catch2 of Debian 13 (version 3) or of Debian 12 (version 2).

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
