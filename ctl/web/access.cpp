// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/access.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

#include "ctl/web/random_word.h"

namespace secrets::ctl::web {
namespace {

bool are_equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

/// Returns whether a field Host, with or without a port, is a name of this host for itself.
bool is_loopback(std::string_view host) {
    constexpr std::array<std::string_view, 3> kNames{"127.0.0.1", "localhost", "[::1]"};
    return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view name) {
        return host.starts_with(name) && (host.size() == name.size() || host[name.size()] == ':');
    });
}

std::string_view without_spaces(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

/// Calls `wanted` with each part of a list; returns whether it accepts one.
template <typename Wanted>
bool any_part(std::string_view list, char separator, const Wanted& wanted) {
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(separator), list.size());
        if (wanted(without_spaces(list.substr(0, end)))) return true;
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return false;
}

/// Returns whether `origin` is that of the page, which the browser reached as one of the hosts.
bool is_same_origin(const RequestSource& source, Entrance entrance) {
    const std::size_t scheme_end = source.origin.find("://");
    if (scheme_end == source.origin.npos) return false;  // "null" is the origin of many
    const std::string_view host = source.origin.substr(scheme_end + 3);
    if (entrance == Entrance::loopback) {
        return source.origin.starts_with("http://") && host == source.host;
    }
    return host == source.host || any_part(source.forwarded_host, ',',
                                           [&](std::string_view each) { return each == host; });
}

}  // namespace

Status check_source(const RequestSource& source, Entrance entrance, bool opens_page) {
    if (entrance == Entrance::loopback && !is_loopback(source.host)) {
        return Status(StatusCode::permission_denied,
                      "this page is served as 127.0.0.1 or localhost only; open the link that "
                      "secretctl web shows");
    }
    Status foreign(StatusCode::permission_denied,
                   "the request comes from another site's page, which may not use this one");
    if (!source.origin.empty() && !is_same_origin(source, entrance)) return foreign;
    if (source.fetch_site.empty() || source.fetch_site == "same-origin" ||
        source.fetch_site == "none") {
        return Status();
    }
    return opens_page && source.fetch_mode == "navigate" ? Status() : foreign;
}

Access::Access(std::uint16_t port)
    : name_("slurm-secrets-" + std::to_string(port)),
      session_(random_word()),
      token_(random_word()) {}

bool Access::open(std::string_view token) {
    if (!are_equal(token, token_)) return false;
    token_ = random_word();
    return true;
}

std::string Access::cookie() const {
    return name_ + "=" + session_ + "; Path=/; HttpOnly; SameSite=Strict";
}

bool Access::has_cookie(std::string_view cookies) const {
    return any_part(cookies, ';', [&](std::string_view each) {
        return each.starts_with(name_ + "=") && are_equal(each.substr(name_.size() + 1), session_);
    });
}

}  // namespace secrets::ctl::web
