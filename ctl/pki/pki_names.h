// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whom a certificate names: what stands in its subjectAltName.

#include <string>
#include <vector>

#include "common/base/status.h"

namespace secrets::ctl::pki {

struct AltName {
    enum class Kind { dns, ip, uri };

    Kind kind;
    std::string text;   ///< as a person writes it
    std::string bytes;  ///< as it stands in the certificate
};

/// Checks what is the name of two files, and in the certificate for people to read.
Status check_name(const std::string& name);

StatusOr<AltName> parse_dns(const std::string& text);
StatusOr<AltName> parse_ip(const std::string& text);
StatusOr<AltName> parse_uri(const std::string& text);

/// "DNS hub.example.org, IP 10.77.0.1".
std::string words_of(const std::vector<AltName>& names);

}  // namespace secrets::ctl::pki
