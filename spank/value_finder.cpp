// SPDX-License-Identifier: Apache-2.0
#include "spank/value_finder.h"

#include <span>

namespace secrets::spank {
namespace {

constexpr std::size_t kStarts = 1 << 16;

/// Tells whether what is marked is recognized in the middle of other text.
bool is_secret(const MarkedVariable& marked) {
    return (marked.kind == MarkKind::value || is_read(marked.kind)) &&
           marked.digest.bytes >= kStartBytes;
}

bool is_value_of_variable(const MarkedVariable& marked) {
    return marked.kind == MarkKind::value || marked.kind == MarkKind::path;
}

}  // namespace

ValueFinder::ValueFinder(const Marker& marker) : marker_(marker), starts_(kStarts / 64) {
    for (const MarkedVariable& marked : marker.variables) {
        if (!is_secret(marked)) continue;
        starts_[marked.digest.start / 64] |= std::uint64_t{1} << (marked.digest.start % 64);
    }
}

std::optional<std::size_t> ValueFinder::equal_to(std::string_view text) const {
    std::optional<SipHash> hash;
    for (std::size_t index = 0; index < marker_.variables.size(); ++index) {
        const MarkedVariable& marked = marker_.variables[index];
        if (!is_value_of_variable(marked) || marked.digest.bytes != text.size()) continue;
        if (!hash) hash = siphash128(marker_.key, std::as_bytes(std::span(text)));
        if (*hash == marked.digest.hash) return index;
    }
    return std::nullopt;
}

std::optional<std::size_t> ValueFinder::within(std::string_view text) const {
    std::optional<std::size_t> first;
    each_within(text, [&first](std::size_t index) {
        first = index;
        return false;
    });
    return first;
}

void ValueFinder::each_within(std::string_view text,
                              const std::function<bool(std::size_t)>& found) const {
    const std::byte* bytes = std::as_bytes(std::span(text)).data();
    for (std::size_t at = 0; at + kStartBytes <= text.size(); ++at) {
        const std::uint16_t start = start_hash(marker_.key, bytes + at);
        if ((starts_[start / 64] >> (start % 64) & 1) == 0) continue;
        for (std::size_t index = 0; index < marker_.variables.size(); ++index) {
            const MarkedVariable& marked = marker_.variables[index];
            if (marked.digest.start == start && is_secret(marked) && is_at(marked, text, at) &&
                !found(index)) {
                return;
            }
        }
    }
}

bool ValueFinder::is_at(const MarkedVariable& marked, std::string_view text, std::size_t at) const {
    if (marked.digest.bytes > text.size() - at) return false;
    return siphash128(marker_.key,
                      std::as_bytes(std::span(text)).subspan(at, marked.digest.bytes)) ==
           marked.digest.hash;
}

}  // namespace secrets::spank
