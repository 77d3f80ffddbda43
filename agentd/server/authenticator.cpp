#include "agentd/server/authenticator.h"

#include "agentd/base/sha256.h"

namespace secrets::doors {

std::optional<HttpAnswer> CallerCheck::check_body(const KnownCaller& known, SecretView body) {
    if (!known.body_digest) return std::nullopt;
    if (hexadecimal(digest_of(body.bytes())) == *known.body_digest) return std::nullopt;
    return refuse(401, "the munge credential was made for another body than this one");
}

HttpAnswer CallerCheck::refuse(unsigned status, const std::string& sentence) {
    return problem(status, sentence);
}

}  // namespace secrets::doors
