// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/signature_claim.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "common/base/names.h"
#include "common/base/text_encoding.h"

namespace secrets::aws {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kTermination = "aws4_request";
constexpr auto kServices = std::to_array<std::string_view>({"secretsmanager", "sts"});
constexpr std::size_t kMaxRegionBytes = 64;
constexpr std::size_t kSignatureDigits = 64;

constexpr char to_small(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string in_small_letters(std::string_view text) {
    std::string small(text);
    std::transform(small.begin(), small.end(), small.begin(), to_small);
    return small;
}

std::string_view trimmed(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

/// Removes what stands before the next `mark`, and the mark, and returns what stood there.
std::string_view take_until(std::string_view& text, char mark) {
    const std::string_view part = text.substr(0, text.find(mark));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return part;
}

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

Error incomplete(std::string sentence) {
    return {ErrorType::incomplete_signature, std::move(sentence)};
}

/// Returns the values of a field, in the order of arrival.
std::vector<std::string_view> values_of(const RequestHeadView& head, std::string_view name) {
    std::vector<std::string_view> values;
    for (const HeaderField& field : head.fields) {
        if (is_field(field.name, name)) values.push_back(trimmed(field.value));
    }
    return values;
}

bool has_signature_in_query(std::string_view target) {
    const std::string query =
        in_small_letters(target.substr(std::min(target.find('?'), target.size())));
    return query.find("x-amz-signature=") != query.npos;
}

/// Reads `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
std::optional<Error> read_credential(std::string_view text, SignatureClaim& claim) {
    claim.access_key = take_until(text, '/');
    claim.date = take_until(text, '/');
    claim.region = take_until(text, '/');
    claim.service = take_until(text, '/');
    const auto is_of_key = [](char c) { return is_digit(c) || is_letter(c); };
    const bool has_key = !claim.access_key.empty() &&
                         claim.access_key.size() <= kMaxAccessKeyBytes &&
                         std::all_of(claim.access_key.begin(), claim.access_key.end(), is_of_key);
    const bool has_region = !claim.region.empty() && claim.region.size() <= kMaxRegionBytes &&
                            std::all_of(claim.region.begin(), claim.region.end(),
                                        [&](char c) { return is_of_key(c) || c == '-'; });
    if (!has_key || !has_region || text != kTermination) {
        return incomplete("invalid Credential: expected KEY/YYYYMMDD/REGION/SERVICE/aws4_request");
    }
    if (std::find(kServices.begin(), kServices.end(), claim.service) == kServices.end()) {
        return Error{ErrorType::invalid_signature,
                     "Credential should be scoped to correct service: 'secretsmanager'."};
    }
    return std::nullopt;
}

/// Reads `SignedHeaders=NAME;NAME`.
std::optional<Error> read_signed_fields(std::string_view text, SignatureClaim& claim) {
    while (!text.empty()) claim.signed_fields.emplace_back(take_until(text, ';'));
    const auto& names = claim.signed_fields;
    const bool is_sorted = std::is_sorted(names.begin(), names.end()) &&
                           std::adjacent_find(names.begin(), names.end()) == names.end();
    const bool is_small = std::all_of(names.begin(), names.end(), [](const std::string& name) {
        return name == in_small_letters(name);
    });
    if (!names.empty() && names.size() <= kMaxHeaderFields && is_sorted && is_small)
        return std::nullopt;
    return incomplete(
        "invalid SignedHeaders: expected names in small letters, in order, with "
        "semicolons between them");
}

/// Reads the parts of the field after the algorithm, in any order.
std::optional<Error> read_parts(std::string_view text, SignatureClaim& claim) {
    std::string_view credential, names, signature;
    while (!text.empty()) {
        std::string_view value = trimmed(take_until(text, ','));
        const std::string_view name = take_until(value, '=');
        std::string_view* part = nullptr;
        if (name == "Credential") part = &credential;
        if (name == "SignedHeaders") part = &names;
        if (name == "Signature") part = &signature;
        if (part == nullptr || !part->empty()) {
            return incomplete("invalid Authorization: unknown or duplicate part " +
                              in_quotes(name));
        }
        *part = value;
    }
    if (signature.size() != kSignatureDigits || !is_hex(signature)) {
        return incomplete("invalid Signature: expected 64 hexadecimal digits in small letters");
    }
    claim.signature = signature;
    if (auto wrong = read_credential(credential, claim)) return wrong;
    return read_signed_fields(names, claim);
}

/// Reads `YYYYMMDDTHHMMSSZ`.
std::optional<std::chrono::sys_seconds> time_of(std::string_view text) {
    using namespace std::chrono;
    if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
    const auto number = [&](std::size_t at, std::size_t digits) {
        unsigned value = 0;
        const char* const end = text.data() + at + digits;
        const auto [stopped, error] = std::from_chars(text.data() + at, end, value);
        return error == std::errc() && stopped == end ? std::optional(value) : std::nullopt;
    };
    const auto years = number(0, 4), months = number(4, 2), days = number(6, 2);
    const auto hour = number(9, 2), minute = number(11, 2), second = number(13, 2);
    if (!years || !months || !days || !hour || !minute || !second) return std::nullopt;
    const year_month_day date{year(static_cast<int>(*years)), month(*months), day(*days)};
    if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
    return sys_days(date) + hours(*hour) + minutes(*minute) + seconds(*second);
}

std::string text_of(std::chrono::sys_seconds time) {
    std::string text = utc_text(std::chrono::system_clock::to_time_t(time));
    std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
    return text;
}

/// Checks the time of the request, as AWS words it.
std::optional<Error> read_time(const RequestHeadView& head, std::chrono::sys_seconds now,
                               SignatureClaim& claim) {
    const auto values = values_of(head, "x-amz-date");
    const auto time = values.size() == 1 ? time_of(values.front()) : std::nullopt;
    if (!time) return incomplete("the request needs one x-amz-date: YYYYMMDDTHHMMSSZ");
    claim.time = values.front();
    if (claim.date != claim.time.substr(0, 8)) {
        return Error{ErrorType::invalid_signature,
                     "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of "
                     "date from HTTP: " +
                         in_quotes(claim.date) + " != " + in_quotes(claim.time.substr(0, 8))};
    }
    const std::string skew = " (" + text_of(now) + " ";
    if (*time < now - kMaxClockSkew) {
        return Error{ErrorType::invalid_signature,
                     "Signature expired: " + claim.time + " is now earlier than " +
                         text_of(now - kMaxClockSkew) + skew + "- 5 min.)"};
    }
    if (*time > now + kMaxClockSkew) {
        return Error{ErrorType::invalid_signature,
                     "Signature not yet current: " + claim.time + " is still later than " +
                         text_of(now + kMaxClockSkew) + skew + "+ 5 min.)"};
    }
    return std::nullopt;
}

/// Returns whether a field of that name must be signed if it is there: else what it says could be
/// changed under a good signature.
bool must_be_signed(std::string_view name) {
    return name == "host" || name == "content-type" || name.starts_with("x-amz-");
}

std::optional<Error> check_fields(const RequestHeadView& head, const SignatureClaim& claim) {
    const auto& names = claim.signed_fields;
    for (const HeaderField& field : head.fields) {
        const std::string name = in_small_letters(field.name);
        if (must_be_signed(name) && !std::binary_search(names.begin(), names.end(), name)) {
            return incomplete("the field " + in_quotes(name) + " must be a 'SignedHeader'");
        }
    }
    for (const std::string& name : names) {
        if (values_of(head, name).empty()) {
            return incomplete("the signed field " + in_quotes(name) + " is missing");
        }
    }
    if (values_of(head, "host").size() != 1) return incomplete("the request needs one Host");
    for (const std::string_view hash : values_of(head, "x-amz-content-sha256")) {
        if (hash.size() == 64 && is_hex(hash)) continue;
        return Error{ErrorType::invalid_signature,
                     "invalid x-amz-content-sha256: expected the SHA-256 of the body, in "
                     "hexadecimal digits"};
    }
    if (!values_of(head, "x-amz-security-token").empty()) {
        return Error{ErrorType::unrecognized_client,
                     "The security token included in the request is invalid."};
    }
    return std::nullopt;
}

}  // namespace

bool is_field(std::string_view name, std::string_view other) {
    return std::equal(name.begin(), name.end(), other.begin(), other.end(),
                      [](char a, char b) { return to_small(a) == to_small(b); });
}

std::variant<SignatureClaim, Error> read_claim(const RequestHeadView& head,
                                               std::chrono::sys_seconds now) {
    if (head.fields.size() > kMaxHeaderFields) {
        return incomplete("the request has more than " + std::to_string(kMaxHeaderFields) +
                          " header fields");
    }
    const auto values = values_of(head, "authorization");
    if (values.empty() || has_signature_in_query(head.target)) {
        return Error{ErrorType::missing_authentication_token,
                     "Missing Authentication Token: sign the header fields, and not the query"};
    }
    if (values.size() > 1) return incomplete("the request has several Authorization fields");
    std::string_view text = values.front();
    const std::string_view algorithm = take_until(text, ' ');
    if (algorithm != kAlgorithm) {
        return incomplete("unsupported algorithm " + in_quotes(algorithm) + ": expected " +
                          std::string(kAlgorithm));
    }
    SignatureClaim claim;
    if (auto wrong = read_parts(text, claim)) return *wrong;
    if (auto wrong = check_fields(head, claim)) return *wrong;
    if (auto wrong = read_time(head, now, claim)) return *wrong;
    return claim;
}

}  // namespace secrets::aws
