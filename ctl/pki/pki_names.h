// SPDX-License-Identifier: Apache-2.0
#pragma once
// The names in a certificate's subjectAltName.

#include <string>
#include <vector>

#include "common/base/status.h"

namespace secrets::ctl::pki {

struct AltName {
    enum class Kind { dns, ip, uri };

    Kind kind;
    std::string text;   ///< as a user writes it
    std::string bytes;  ///< as encoded in the certificate
};

/// Checks a name, which names two files and is the common name in the certificate for users to
/// read.
Status check_name(const std::string& name);

StatusOr<AltName> parse_dns(const std::string& text);
StatusOr<AltName> parse_ip(const std::string& text);
StatusOr<AltName> parse_uri(const std::string& text);

/// Returns names in words: "DNS hub.example.org, IP 10.77.0.1".
std::string words_of(const std::vector<AltName>& names);

}  // namespace secrets::ctl::pki
