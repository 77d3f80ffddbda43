// SPDX-License-Identifier: Apache-2.0
#pragma once
// The checks by which the page answers its user only.
//
// Four of them, before a byte of a body is read. The kernel says that the connection is the user's
// (peer_user.h, or the owner of a Unix socket's peer). `Host` is a name of this host, so that no
// name of another site that resolves to 127.0.0.1 is served. `Origin` and `Sec-Fetch-Site` show
// that the page itself makes the request, and not the page of another site or of another port. A
// cookie shows that the browser has opened the link, which is printed at the user's terminal and
// opens once.

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace secrets::ctl::web {

/// The fields of a request's head that tell where it comes from; empty: absent.
struct RequestSource {
    std::string_view host;
    std::string_view forwarded_host;  ///< X-Forwarded-Host, which a proxy adds
    std::string_view origin;
    std::string_view fetch_site;
    std::string_view fetch_mode;
    std::string_view cookie;
};

/// Names the way by which a browser reaches the page.
enum class Entrance {
    loopback,     ///< a port of 127.0.0.1, and a link
    unix_socket,  ///< a Unix socket, to which a proxy of the user's connects
};

/// Returns why a request may not be the page's own; success if it is. `opens_page`: it asks for the
/// page itself, to which other sites may have a link.
Status check_source(const RequestSource& source, Entrance entrance, bool opens_page);

/// The link that opens the page, and the cookie of the browsers that have opened one. Both consist
/// of 256 random bits, and last as long as the process. Not thread-safe.
class Access {
  public:
    /// `port`: part of the cookie's name, since a browser sends a cookie to all ports of a host.
    explicit Access(std::uint16_t port);

    /// Returns the token of the link that opens the page now.
    const std::string& token() const { return token_; }

    /// Returns whether `token` is that of the link; then another one replaces it.
    bool open(std::string_view token);

    /// Returns the content of the field Set-Cookie for a browser that has opened the link.
    std::string cookie() const;

    /// Returns whether the content of a field Cookie has the cookie.
    bool has_cookie(std::string_view cookies) const;

  private:
    std::string name_;
    std::string session_;
    std::string token_;
};

}  // namespace secrets::ctl::web
