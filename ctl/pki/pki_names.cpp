// SPDX-License-Identifier: Apache-2.0
#include "ctl/pki/pki_names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "common/base/names.h"

namespace secrets::ctl::pki {
namespace {

constexpr std::size_t kMaxName = 64;  ///< of a common name, from RFC 5280
constexpr std::size_t kMaxDns = 253;
constexpr std::size_t kMaxLabel = 63;

bool is_label(std::string_view label) {
    if (label.empty() || label.size() > kMaxLabel || label.front() == '-' || label.back() == '-') {
        return false;
    }
    return std::all_of(label.begin(), label.end(),
                       [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

bool is_dns_name(std::string_view text) {
    if (text.size() > kMaxDns) return false;
    while (true) {
        const auto dot = text.find('.');
        if (!is_label(text.substr(0, dot))) return false;
        if (dot == text.npos) return true;
        text.remove_prefix(dot + 1);
    }
}

/// Returns an address in network byte order; empty if `text` is not an address.
std::string bytes_of_ip(const std::string& text) {
    std::array<char, sizeof(in6_addr)> address{};
    const bool is_v6 = text.find(':') != text.npos;
    if (inet_pton(is_v6 ? AF_INET6 : AF_INET, text.c_str(), address.data()) != 1) return {};
    return {address.data(), is_v6 ? sizeof(in6_addr) : sizeof(in_addr)};
}

bool is_uri(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == text.npos || colon + 1 == text.size() || !is_letter(text.front())) return false;
    const auto scheme = text.substr(0, colon);
    return std::all_of(scheme.begin(), scheme.end(),
                       [](char c) {
                           return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
                       }) &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

const char* word_of(AltName::Kind kind) {
    switch (kind) {
        case AltName::Kind::dns:
            return "DNS ";
        case AltName::Kind::ip:
            return "IP ";
        case AltName::Kind::uri:
            return "URI ";
    }
    return "";
}

}  // namespace

Status check_name(const std::string& name) {
    if (Status why = check_identifier("certificate name", name, kMaxName); !why.ok()) {
        return why;
    }
    if (name == "ca") {
        return Status::failed(
            "cannot name a certificate 'ca': those files belong to the CA itself");
    }
    return Status();
}

StatusOr<AltName> parse_dns(const std::string& text) {
    if (!is_dns_name(text) || !bytes_of_ip(text).empty()) {
        return Status::failed(
            in_quotes(text) +
            " is not a valid DNS name, which has labels of letters, digits and '-' between dots; "
            "use --ip for an address, and --uri for a URI");
    }
    return AltName{AltName::Kind::dns, text, text};
}

StatusOr<AltName> parse_ip(const std::string& text) {
    std::string bytes = bytes_of_ip(text);
    if (bytes.empty()) {
        return Status::failed(in_quotes(text) +
                              " is not a valid IP address, such as 10.0.0.1 or fd00::1");
    }
    return AltName{AltName::Kind::ip, text, std::move(bytes)};
}

StatusOr<AltName> parse_uri(const std::string& text) {
    if (!is_uri(text)) {
        return Status::failed(in_quotes(text) +
                              " is not a valid URI: it must begin with a scheme and ':', as in "
                              "spiffe://example.org/platform, and have no spaces");
    }
    return AltName{AltName::Kind::uri, text, text};
}

std::string words_of(const std::vector<AltName>& names) {
    std::string words;
    for (const AltName& name : names) {
        words += (words.empty() ? "" : ", ") + (word_of(name.kind) + name.text);
    }
    return words;
}

}  // namespace secrets::ctl::pki
