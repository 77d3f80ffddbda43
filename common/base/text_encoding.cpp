// SPDX-License-Identifier: Apache-2.0
#include "common/base/text_encoding.h"

#include <charconv>

#include "common/base/names.h"

namespace secrets {

std::string to_hex(std::span<const std::byte> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : bytes) {
        text += kDigits[std::to_integer<unsigned>(byte) >> 4];
        text += kDigits[std::to_integer<unsigned>(byte) & 0xf];
    }
    return text;
}

std::string percent_encoded(std::string_view text, std::string_view also_plain) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    constexpr std::string_view kPlain = "-._~";
    std::string encoded;
    for (const char letter : text) {
        const bool plain = is_letter(letter) || is_digit(letter) ||
                           kPlain.find(letter) != kPlain.npos ||
                           also_plain.find(letter) != also_plain.npos;
        const auto byte = static_cast<unsigned char>(letter);
        if (plain) {
            encoded += letter;
        } else {
            encoded += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
        }
    }
    return encoded;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned char byte = 0;
        const auto digits = text.substr(i + 1, 2);
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
        if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) {
            return std::nullopt;
        }
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

std::string_view without_byte_order_mark(std::string_view text) {
    constexpr std::string_view kMark = "\xef\xbb\xbf";
    if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
    return text;
}

std::string_view utf16_name(std::string_view text) {
    if (text.size() < 2) return {};
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return "UTF-16";
    if (text[0] != '\0' && text[1] == '\0') return "UTF-16LE";
    return text[0] == '\0' && text[1] != '\0' ? "UTF-16BE" : "";
}

std::string utc_text(std::time_t time) {
    std::tm parts{};
    gmtime_r(&time, &parts);
    char text[sizeof("0000-00-00T00:00:00Z") + 16];
    const std::size_t length = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text, length};
}

}  // namespace secrets
