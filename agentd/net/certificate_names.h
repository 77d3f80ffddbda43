// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace secrets::net {

/// The names (subjectAltName) in a certificate, by type: a host name is not to be found in an
/// e-mail address or a URI of that text, nor an address in a host name.
struct CertificateNames {
    std::vector<std::string> hosts{};      ///< DNS
    std::vector<std::string> addresses{};  ///< IP
    std::vector<std::string> others{};     ///< URI and email

    bool operator==(const CertificateNames&) const = default;

    std::vector<std::string> all() const {
        std::vector<std::string> all = hosts;
        all.insert(all.end(), others.begin(), others.end());
        all.insert(all.end(), addresses.begin(), addresses.end());
        return all;
    }
};

}  // namespace secrets::net
