// SPDX-License-Identifier: Apache-2.0
// A push that parses keeps to the limits, and has the same meaning when it is written and parsed
// again.

#include "agentd/api/push_body.h"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agentd/base/base64.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

namespace json = boost::json;

constexpr std::size_t kValueBytes = 48;  // few, so that inputs reach the limit

std::string base64_of(Bytes bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                       reinterpret_cast<const unsigned char*>(bytes.data()),
                                       static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

/// Returns the push as JSON, with its secrets in order.
std::string text_of(const service::PushRequest& request) {
    json::object object;
    if (request.owner) object["owner"] = *request.owner;
    if (request.ttl) object["ttl"] = *request.ttl;
    for (const vault::Scope scope : {vault::Scope::user, vault::Scope::workspace}) {
        json::object secrets;
        std::size_t count = 0;
        for (const vault::NewSecret& secret : request.secrets) {
            if (secret.scope != scope) continue;
            secrets[secret.name] = {{"base64", base64_of(secret.value.view().bytes())}};
            ++count;
        }
        must(secrets.size() == count, "each name stands once in its scope");
        if (count > 0) object[vault::scope_word(scope)] = std::move(secrets);
    }
    return json::serialize(object);
}

void check(const service::PushRequest& request) {
    for (const vault::NewSecret& secret : request.secrets) {
        must(secret.value.size() <= kValueBytes, "a value has at most the longest length");
    }
    const std::string text = text_of(request);
    const auto again = api::parse_push(bytes_of(text), kValueBytes);
    must(again.ok(), "what was parsed can be written and parsed again");
    must(text_of(*again) == text, "what was parsed says the same again");
}

void check_base64(Bytes text) {
    const auto decoded = decode_base64(text);
    if (!decoded) return;
    const std::string again = base64_of(decoded->view().bytes());
    must(same(bytes_of(again), text), "base64 is taken in its one form alone");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace secrets;
    const fuzz::Bytes body = std::as_bytes(std::span(data, size));
    const auto request = api::parse_push(body, fuzz::kValueBytes);
    if (request) {
        fuzz::check(*request);
    } else {
        fuzz::must(fuzz::is_sentence(request.status().message()),
                   "a push is refused with a sentence");
    }
    fuzz::check_base64(body);
    return 0;
}
