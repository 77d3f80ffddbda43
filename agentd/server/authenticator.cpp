// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/authenticator.h"

#include "common/auth/sha256.h"
#include "common/base/text_encoding.h"

namespace secrets::server {

std::string name_of(const auth::Principal& caller) {
    return caller.uid() ? "uid " + std::to_string(caller.uid()->value) : caller.name();
}

std::optional<api::HttpResponse> Authenticator::check_body(const AuthenticatedPrincipal& known,
                                                           SecretView body) {
    if (!known.body_digest) return std::nullopt;
    if (to_hex(sha256_of(body.bytes())) == *known.body_digest) return std::nullopt;
    return refuse(401, "the munge credential was created for a different body");
}

api::HttpResponse Authenticator::refuse(unsigned status, const std::string& sentence) {
    return api::problem(status, sentence);
}

}  // namespace secrets::server
