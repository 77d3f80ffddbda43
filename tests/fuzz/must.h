// SPDX-License-Identifier: Apache-2.0
#pragma once
// Helpers that the fuzz targets share: invariants, and bytes.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <source_location>
#include <span>
#include <string_view>

// The entry point that libFuzzer and replay.cpp call.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace secrets::fuzz {

/// Ends the process, which counts as a finding, if an invariant does not hold.
inline void must(bool holds, const char* what,
                 std::source_location place = std::source_location::current()) {
    if (holds) return;
    std::fprintf(stderr, "%s:%u: broken: %s\n", place.file_name(), place.line(), what);
    std::abort();
}

using Bytes = std::span<const std::byte>;

inline bool same(Bytes a, Bytes b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

inline Bytes bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// Returns whether all of `part` lies in `whole`; an empty part may be anywhere.
inline bool lies_in(Bytes part, Bytes whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

/// Returns whether a sentence is present, and contains nothing that would steer a terminal or a
/// log.
inline bool is_sentence(std::string_view text) {
    for (const char c : text) {
        if (c < ' ' || c > '~') return false;
    }
    return !text.empty();
}

}  // namespace secrets::fuzz
