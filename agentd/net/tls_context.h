// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes TLS contexts: the certificate and key that a hub presents, and the CA whose certificates of
// platforms it trusts.

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agentd/config/config.h"
#include "agentd/net/certificate_names.h"

namespace secrets::net {

/// Returns the context of a hub's server: TLS 1.3 only; sessions are resumed by tickets, so that
/// the server stores none; an idle connection has no buffers. A client may present a certificate,
/// which must then be valid. The Status names the key and the file.
StatusOr<std::shared_ptr<boost::asio::ssl::context>> make_server_context(const Listen& listen);

/// Makes a client present a certificate to servers that ask for one. The Status names the file, and
/// the key in `section` of the configuration.
Status show_certificate(boost::asio::ssl::context& context, const std::string& section,
                        const std::string& certificate, const std::string& key);

/// Checks the files that `listen` names. Does not check a key that is systemd's credential: only
/// the service's main process may read it, and not the process that checks a reload.
Status check_files(const Listen& listen);

/// Returns an error if clients will reject a context's certificate, though it can be used: it has
/// expired, or is not valid yet.
Status check_valid_now(boost::asio::ssl::context& context);

/// Returns the end of the validity of a context's own certificate; nothing if it has none.
std::optional<std::chrono::sys_seconds> certificate_end(boost::asio::ssl::context& context);

/// Returns the end of the validity of the peer's certificate; nothing if the peer showed none.
std::optional<std::chrono::sys_seconds> certificate_end_of_peer(SSL* connection);

/// Returns whether a context's certificate is that host's, by a name or an address in it.
bool is_certificate_of(boost::asio::ssl::context& context, const std::string& host);

/// Returns, after a handshake that failed, what is wrong with the peer's certificate; nothing if
/// the handshake failed for another reason.
std::optional<std::string> rejected_certificate(SSL* connection);

/// Returns the names in the peer's certificate; nothing if the peer presented none.
std::optional<CertificateNames> names_of_peer(SSL* connection);

}  // namespace secrets::net
