// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/authenticator.h"

#include "agentd/base/sha256.h"

namespace secrets::server {

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
