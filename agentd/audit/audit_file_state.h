// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace secrets::audit {

/// The state of the audit file, for people and for monitoring.
struct AuditFileState {
    std::string file;
    std::uint64_t free_bytes = 0;  ///< of its file system
    bool fails = false;            ///< whether the last line could not be written
    bool is_low = false;           ///< whether only the reserve is left
    std::uint64_t missing = 0;     ///< entries that the file lacks so far, and does not mention yet
    std::string trouble{};         ///< what is wrong and its consequence; empty if nothing is

    std::string_view word() const { return fails ? "failing" : is_low ? "low" : "writable"; }
};

}  // namespace secrets::audit
