// SPDX-License-Identifier: Apache-2.0
#include "common/ipc/marker.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "common/base/limits.h"
#include "common/base/names.h"
#include "common/base/text_encoding.h"

namespace secrets {
namespace {

constexpr std::string_view kVersion = "1";
constexpr char kSeparator = '/';

template <typename Number>
bool parse_hex(std::string_view text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string hex_number(std::uint32_t number) {
    std::array<char, 8> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    return {digits.data(), end};
}

/// Parses the 32 digits of a key or a hash.
bool parse_bytes(std::string_view text, std::array<std::byte, 16>& bytes) {
    if (text.size() != 2 * bytes.size()) return false;
    for (std::byte& byte : bytes) {
        std::uint8_t number = 0;
        if (!parse_hex(text.substr(0, 2), number)) return false;
        byte = std::byte{number};
        text.remove_prefix(2);
    }
    return true;
}

/// Removes and returns what precedes the next separator.
std::string_view next_part(std::string_view& rest, char separator) {
    const std::string_view part = rest.substr(0, rest.find(separator));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    return part;
}

std::optional<MarkedVariable> parse_variable(std::string_view part) {
    const auto at = part.find_first_of("=:@+%");
    if (at == part.npos) return std::nullopt;
    MarkedVariable marked;
    marked.variable = part.substr(0, at);
    if (!check_variable_name(marked.variable).ok()) return std::nullopt;
    marked.kind = static_cast<MarkKind>(part[at]);
    part.remove_prefix(at + 1);
    if (!parse_bytes(next_part(part, '.'), marked.digest.hash)) return std::nullopt;
    if (!parse_hex(next_part(part, '.'), marked.digest.bytes)) return std::nullopt;
    if (!parse_hex(part, marked.digest.start)) return std::nullopt;
    return marked;
}

}  // namespace

std::uint16_t start_hash(const SipKey& key, const std::byte* bytes) {
    std::uint64_t word = 0;
    std::uint64_t factor = 0;
    static_assert(sizeof word == kStartBytes);
    std::memcpy(&word, bytes, sizeof word);
    std::memcpy(&factor, key.data(), sizeof factor);
    return static_cast<std::uint16_t>((word * (factor | 1)) >> 48);
}

ValueDigest digest_of(const SipKey& key, std::span<const std::byte> value) {
    ValueDigest digest;
    digest.hash = siphash128(key, value);
    digest.bytes = static_cast<std::uint32_t>(value.size());
    if (value.size() >= kStartBytes) digest.start = start_hash(key, value.data());
    return digest;
}

std::optional<MarkedVariable> content_mark(const SipKey& key, std::string_view variable,
                                           std::span<const std::byte> secret, bool is_file) {
    std::span<const std::byte> text = secret;
    while (!text.empty() && text.back() == std::byte{'\n'}) text = text.first(text.size() - 1);
    if (text.size() < kStartBytes || (!is_file && text.size() == secret.size()))
        return std::nullopt;
    return MarkedVariable{std::string(variable), MarkKind::content, digest_of(key, text)};
}

std::string print_marker(const Marker& marker) {
    std::string text(kVersion);
    const std::string_view spec = marker.spec;
    text += kSeparator + to_hex(marker.key) + kSeparator;
    if (spec.find(kSeparator) == spec.npos) text += spec;
    for (const MarkedVariable& marked : marker.variables) {
        const std::string part = kSeparator + marked.variable + static_cast<char>(marked.kind) +
                                 to_hex(marked.digest.hash) + '.' +
                                 hex_number(marked.digest.bytes) + '.' +
                                 hex_number(marked.digest.start);
        if (text.size() + part.size() > kMaxMarkerBytes) break;
        text += part;
    }
    return text;
}

std::optional<Marker> parse_marker(std::string_view text) {
    if (text.size() > kMaxMarkerBytes) return std::nullopt;
    if (next_part(text, kSeparator) != kVersion) return std::nullopt;
    Marker marker;
    if (!parse_bytes(next_part(text, kSeparator), marker.key)) return std::nullopt;
    marker.spec = next_part(text, kSeparator);
    while (!text.empty()) {
        auto marked = parse_variable(next_part(text, kSeparator));
        if (!marked) return std::nullopt;
        const bool is_late = !marker.variables.empty() && is_read(marker.variables.back().kind);
        if (is_late && !is_read(marked->kind)) return std::nullopt;
        marker.variables.push_back(std::move(*marked));
    }
    return marker;
}

}  // namespace secrets
