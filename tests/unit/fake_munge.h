// SPDX-License-Identifier: Apache-2.0
#pragma once
// Stands in for munged: fake_munge.cpp replaces the functions of libmunge. A credential is its
// payload with a prefix.

#include <atomic>
#include <cstdint>
#include <string>

namespace secrets {

inline constexpr const char* kFakeCredential = "MUNGE:";

/// What munged answers, to libmunge's callers in any thread.
struct FakeMunge {
    std::atomic<bool> is_away{false};    ///< it does not answer
    std::atomic<std::uint32_t> uid{0};   ///< who made the credentials
    std::atomic<std::uint32_t> made{0};  ///< number of credentials so far
};
FakeMunge& fake_munge();

}  // namespace secrets
