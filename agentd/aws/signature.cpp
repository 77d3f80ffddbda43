// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include <algorithm>
#include <new>
#include <vector>

#include "common/auth/sha256.h"
#include "common/base/text_encoding.h"

namespace secrets::aws {
namespace {

constexpr std::string_view kKeyPrefix = "AWS4";
constexpr std::size_t kMacBytes = 32;

/// Removes dot segments and doubled slashes, as clients do before they sign.
std::string normalized_path(std::string_view path) {
    std::vector<std::string_view> segments;
    const bool ends_with_slash = path.ends_with('/');
    while (!path.empty()) {
        const std::string_view segment = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(segment.size() + 1, path.size()));
        if (segment == "..") {
            if (!segments.empty()) segments.pop_back();
        } else if (!segment.empty() && segment != ".") {
            segments.push_back(segment);
        }
    }
    std::string normal;
    for (const std::string_view segment : segments) normal += "/" + std::string(segment);
    if (normal.empty() || ends_with_slash) normal += '/';
    return normal;
}

/// Sorts the parameters by name, then by value; one without a value has an empty one.
std::string sorted_query(std::string_view query) {
    std::vector<std::pair<std::string_view, std::string_view>> parameters;
    while (!query.empty()) {
        const std::string_view part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(part.size() + 1, query.size()));
        const auto mark = std::min(part.find('='), part.size());
        parameters.emplace_back(part.substr(0, mark), part.substr(std::min(mark + 1, part.size())));
    }
    std::sort(parameters.begin(), parameters.end());
    std::string sorted;
    for (const auto& [name, value] : parameters) {
        if (!sorted.empty()) sorted += '&';
        sorted += std::string(name) + "=" + std::string(value);
    }
    return sorted;
}

/// Returns a value without blanks around it, and with one blank for each run of them.
std::string single_spaced(std::string_view value) {
    std::string spaced;
    bool has_blank = false;
    for (const char each : value) {
        if (each == ' ' || each == '\t') {
            has_blank = true;
            continue;
        }
        if (has_blank && !spaced.empty()) spaced += ' ';
        has_blank = false;
        spaced += each;
    }
    return spaced;
}

/// Returns the line of a signed field, whose values are joined in the order of arrival.
std::string canonical_field(const RequestHeadView& head, const std::string& name) {
    std::string line = name + ":";
    bool is_first = true;
    for (const HeaderField& field : head.fields) {
        if (!is_field(field.name, name)) continue;
        if (!is_first) line += ',';
        is_first = false;
        line += single_spaced(field.value);
    }
    return line + "\n";
}

SecretBuffer mac_of(SecretView key, std::string_view text) {
    SecretBuffer mac(kMacBytes);
    unsigned length = 0;
    const auto* const made = HMAC(EVP_sha256(), key.bytes().data(), static_cast<int>(key.size()),
                                  reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                  reinterpret_cast<unsigned char*>(mac.bytes().data()), &length);
    if (made == nullptr || length != kMacBytes) throw std::bad_alloc();
    return mac;
}

/// Derives the key that signs requests of one day, region and service.
SecretBuffer signing_key(SecretView secret, const SignatureClaim& claim) {
    SecretBuffer start(kKeyPrefix.size() + secret.size());
    memcpy(start.bytes().data(), kKeyPrefix.data(), kKeyPrefix.size());
    if (secret.size() > 0) {
        memcpy(start.bytes().data() + kKeyPrefix.size(), secret.bytes().data(), secret.size());
    }
    const SecretBuffer of_date = mac_of(start.view(), claim.date);
    const SecretBuffer of_region = mac_of(of_date.view(), claim.region);
    const SecretBuffer of_service = mac_of(of_region.view(), claim.service);
    return mac_of(of_service.view(), "aws4_request");
}

std::string hash_of(std::string_view text) {
    return to_hex(sha256_of(std::as_bytes(std::span(text))));
}

/// Returns the error if the client named another hash of the body than it has.
std::optional<Error> check_body_hash(const RequestHeadView& head, std::string_view hash) {
    for (const HeaderField& field : head.fields) {
        if (!is_field(field.name, "x-amz-content-sha256")) continue;
        if (single_spaced(field.value) == hash) continue;
        return Error{ErrorType::invalid_signature,
                     "The provided 'x-amz-content-sha256' header does not match what was "
                     "computed."};
    }
    return std::nullopt;
}

}  // namespace

std::string canonical_request(const RequestHeadView& head, const SignatureClaim& claim,
                              std::string_view body_hash) {
    const auto mark = std::min(head.target.find('?'), head.target.size());
    const std::string_view query = head.target.substr(std::min(mark + 1, head.target.size()));
    std::string text = std::string(head.method) + "\n";
    text += percent_encoded(normalized_path(head.target.substr(0, mark)), "/") + "\n";
    text += sorted_query(query) + "\n";
    for (const std::string& name : claim.signed_fields) text += canonical_field(head, name);
    text += "\n";
    for (const std::string& name : claim.signed_fields) {
        if (&name != &claim.signed_fields.front()) text += ';';
        text += name;
    }
    return text + "\n" + std::string(body_hash);
}

std::optional<Error> verify_signature(const RequestHeadView& head, const SignatureClaim& claim,
                                      SecretView body, const SecretBuffer* secret) {
    const std::string body_hash = to_hex(sha256_of(body.bytes()));
    const std::string text = "AWS4-HMAC-SHA256\n" + claim.time + "\n" + claim.scope() + "\n" +
                             hash_of(canonical_request(head, claim, body_hash));
    const SecretBuffer stand_in(40);  // as long as a secret
    const SecretBuffer& used = secret != nullptr ? *secret : stand_in;
    const SecretBuffer mac = mac_of(signing_key(used.view(), claim).view(), text);
    const std::string expected = to_hex(mac.view().bytes());
    const bool is_good =
        claim.signature.size() == expected.size() &&
        CRYPTO_memcmp(claim.signature.data(), expected.data(), expected.size()) == 0;
    if (secret == nullptr) {
        return Error{ErrorType::unrecognized_client,
                     "The security token included in the request is invalid."};
    }
    if (auto wrong = check_body_hash(head, body_hash)) return wrong;
    if (is_good) return std::nullopt;
    return Error{ErrorType::invalid_signature,
                 "The request signature we calculated does not match the signature you provided. "
                 "Check your AWS Secret Access Key and signing method. Consult the service "
                 "documentation for details."};
}

}  // namespace secrets::aws
