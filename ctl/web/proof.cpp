// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/proof.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <span>
#include <utility>

#include "common/base/text_encoding.h"

namespace secrets::ctl::web {
namespace {

/// Stands for the key in index.html.
constexpr std::string_view kPlaceOfKey = "KEY-OF-THIS-PROCESS";

std::string with(std::string html, std::string_view key) {
    const std::size_t place = html.find(kPlaceOfKey);
    if (place != html.npos) html.replace(place, kPlaceOfKey.size(), key);
    return html;
}

}  // namespace

std::string Proof::with_key(std::string html) const {
    return with(std::move(html), key_);
}

std::string Proof::without_key(std::string html) {
    return with(std::move(html), "");
}

std::string Proof::of(std::string_view word) const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
         reinterpret_cast<const unsigned char*>(word.data()), word.size(), hash.data(), &size);
    return to_hex(std::as_bytes(std::span(hash)).first(size));
}

}  // namespace secrets::ctl::web
