// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/proof.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <array>
#include <span>

#include "common/base/text_encoding.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl::web {
namespace {

/// Stands for the key in index.html.
constexpr std::string_view kPlaceOfKey = "KEY-OF-THIS-PROCESS";

}  // namespace

std::string random_word() {
    std::array<std::byte, 32> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        throw CommandError(ExitCode::bad_input,
                           "cannot make a link: the kernel gives no random bytes (getrandom)");
    }
    return to_hex(bytes);
}

std::string Proof::with_key(std::string html) const {
    const std::size_t place = html.find(kPlaceOfKey);
    if (place != html.npos) html.replace(place, kPlaceOfKey.size(), key_);
    return html;
}

std::string Proof::of(std::string_view word) const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
         reinterpret_cast<const unsigned char*>(word.data()), word.size(), hash.data(), &size);
    return to_hex(std::as_bytes(std::span(hash)).first(size));
}

}  // namespace secrets::ctl::web
