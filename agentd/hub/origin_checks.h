// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "agentd/api/router.h"
#include "agentd/service/services.h"
#include "common/base/names.h"

namespace secrets::hub {

/// Tells whether the credential may have been created at the connection's other end. If munged
/// knows no address of its host, it reports a loopback address, which proves nothing; an IPv6
/// address can't be compared, as munge knows none. What slurmctld says of the address is checked
/// besides.
inline bool has_same_origin(const api::Origin& origin) {
    return origin.munge_address.empty() || origin.munge_address.starts_with("127.") ||
           origin.munge_address == "0.0.0.0" || origin.munge_address == origin.address ||
           origin.address.find(':') != origin.address.npos;
}

/// Returns the denial of a request whose credential was created at an address that is not known as
/// one of the host's.
inline Status created_elsewhere(const api::Origin& origin, const std::string& host) {
    return Status(
        StatusCode::permission_denied,
        "the munge credential was created at " + origin.munge_address + " but sent from " +
            origin.address + ", and these are not both addresses of " + host +
            " according to slurmctld; start munged there with --origin=" + origin.address +
            ", or let its NodeHostName resolve to both on the hub");
}

/// Denies a host's request whose connection showed no certificate of the host: of its name in
/// slurm.conf, with or without a domain, or of its address.
inline Status check_host_certificate(const api::Origin& origin, const std::string& host) {
    const net::CertificateNames names = origin.names.value_or(net::CertificateNames());
    for (const std::string& name : names.hosts) {
        if (name == host || name.starts_with(host + ".")) return Status();
    }
    for (const std::string& address : names.addresses) {
        if (address == origin.address) return Status();
    }
    std::string named;
    for (const std::string& name : names.all())
        named += (named.empty() ? "" : ", ") + in_quotes(name);
    std::string why = "the hub requires host certificates (listen.host_certificates), but ";
    why += origin.names ? "the one presented names " + (named.empty() ? "no host" : named) +
                              "; expected " + in_quotes(host) + " or " + origin.address
                        : std::string("none was presented; set hub.certificate");
    return Status(StatusCode::permission_denied, std::move(why));
}

}  // namespace secrets::hub
