// SPDX-License-Identifier: Apache-2.0
#include "agentd/base/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

#include "common/base/names.h"

namespace secrets {
namespace {

bool in_alphabet(std::byte byte) {
    const char c = static_cast<char>(byte);
    return is_letter(c) || is_digit(c) || c == '+' || c == '/';
}

bool is_white_space(std::byte byte) {
    const char c = static_cast<char>(byte);
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_of_url_alphabet(std::byte byte) {
    return byte == std::byte{'-'} || byte == std::byte{'_'};
}

}  // namespace

std::optional<SecretBuffer> decode_base64(std::span<const std::byte> text) {
    if (text.empty()) return SecretBuffer();
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && text[text.size() - 1 - padding] == std::byte{'='}) ++padding;
    // OpenSSL's decoder skips white space; this one rejects every byte outside the alphabet.
    if (!std::all_of(text.begin(), text.end() - static_cast<std::ptrdiff_t>(padding),
                     in_alphabet)) {
        return std::nullopt;
    }
    SecretBuffer blocks(text.size() / 4 * 3);
    const int decoded = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(blocks.bytes().data()),
                                        reinterpret_cast<const unsigned char*>(text.data()),
                                        static_cast<int>(text.size()));
    if (decoded < 0 || static_cast<std::size_t>(decoded) < padding) return std::nullopt;
    // Bits after the last byte have no meaning and must be zero: re-encoding the last group must
    // give the same text.
    unsigned char last[5];
    EVP_EncodeBlock(last,
                    reinterpret_cast<const unsigned char*>(blocks.bytes().data()) + decoded - 3,
                    3 - static_cast<int>(padding));
    const bool exact = std::memcmp(last, text.data() + text.size() - 4, 4) == 0;
    wipe(std::as_writable_bytes(std::span(last)));
    if (!exact) return std::nullopt;
    SecretBuffer value(static_cast<std::size_t>(decoded) - padding);
    if (value.size() > 0) std::memcpy(value.bytes().data(), blocks.bytes().data(), value.size());
    return value;
}

std::string why_not_base64(std::span<const std::byte> text) {
    if (std::any_of(text.begin(), text.end(), is_white_space)) {
        return "it contains white space or line breaks; write it as one line (base64 -w 0)";
    }
    if (std::any_of(text.begin(), text.end(), is_of_url_alphabet)) {
        return "it is the variant for URLs; write '+' for '-', '/' for '_', and the padding '='";
    }
    const auto is_padding = [](std::byte byte) { return byte == std::byte{'='}; };
    const auto padding = static_cast<std::size_t>(
        std::find_if_not(text.rbegin(), text.rend(), is_padding) - text.rbegin());
    text = text.first(text.size() - padding);
    if (std::any_of(text.begin(), text.end(), is_padding)) return "it has a '=' before its end";
    if (!std::all_of(text.begin(), text.end(), in_alphabet)) {
        return "it contains a character that base64 does not have";
    }
    const std::size_t needed = (4 - text.size() % 4) % 4;
    if (needed == 3) return "it is cut off";
    if (padding < needed) return "it lacks padding; add '=' until its length is a multiple of 4";
    if (padding > needed) return "it has more '=' at its end than it needs";
    return "its last character has bits that belong to no byte";
}

SecretBuffer encode_base64(SecretView value) {
    const std::size_t length = (value.size() + 2) / 3 * 4;
    SecretBuffer ended(length + 1);  // OpenSSL appends a NUL
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(ended.bytes().data()),
                    reinterpret_cast<const unsigned char*>(value.bytes().data()),
                    static_cast<int>(value.size()));
    SecretBuffer text(length);
    if (length > 0) std::memcpy(text.bytes().data(), ended.bytes().data(), length);
    return text;
}

}  // namespace secrets
