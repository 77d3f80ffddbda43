// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a hub shows and takes in TLS: its certificate and key, and whose certificates of platforms
// it believes.

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agentd/config/config.h"

namespace secrets::net {

/// The context of a hub's door: TLS 1.3 alone; sessions are resumed by tickets, so that it keeps
/// none; a connection that is idle keeps no buffers. A client may show a certificate, which must
/// then be good. The Status names the key and the file.
StatusOr<std::shared_ptr<boost::asio::ssl::context>> make_server_context(const Listen& listen);

/// Has a client show a certificate to servers that ask for one. The Status names the file, and the
/// key in `section` of the configuration.
Status show_certificate(boost::asio::ssl::context& context, const std::string& section,
                        const std::string& certificate, const std::string& key);

/// What is wrong with the files that `listen` names. A key that is systemd's credential is not
/// looked at: the service's main process alone may read it, and not what checks a reload.
Status check_files(const Listen& listen);

/// Why clients will not take the certificate that a context shows, though it can be used: it has
/// expired, or is not valid yet. Nothing: they will.
Status check_valid_now(boost::asio::ssl::context& context);

/// Whether the certificate that a context shows is of that host, by a name or an address in it.
bool is_certificate_of(boost::asio::ssl::context& context, const std::string& host);

/// The names (SAN: DNS, URI, email, address) in the certificate that the other side showed; nothing
/// where it showed none.
std::optional<std::vector<std::string>> names_of_peer(SSL* connection);

}  // namespace secrets::net
