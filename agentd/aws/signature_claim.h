// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a request claims by its Authorization field (AWS Signature Version 4), read from the head
// alone: who, what and when are checked before any of the body is read.

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agentd/aws/error.h"

namespace secrets::aws {

/// How far the clocks of client and agent may be apart.
inline constexpr std::chrono::seconds kMaxClockSkew = std::chrono::minutes(5);

inline constexpr std::size_t kMaxAccessKeyBytes = 128;
inline constexpr std::size_t kMaxHeaderFields = 64;

struct HeaderField {
    std::string_view name;  ///< in any case
    std::string_view value;
};

/// The head of a request, as it came. The views must outlive the use.
struct RequestHeadView {
    std::string_view method;
    std::string_view target;              ///< path and query, as on the request line
    std::span<const HeaderField> fields;  ///< in the order of arrival
};

/// Returns whether two names of header fields are the same.
bool is_field(std::string_view name, std::string_view other);

struct SignatureClaim {
    std::string access_key;  ///< its id
    std::string date;        ///< of the scope: YYYYMMDD
    std::string region;
    std::string service;                     ///< secretsmanager or sts
    std::string time;                        ///< of x-amz-date: YYYYMMDDTHHMMSSZ
    std::vector<std::string> signed_fields;  ///< names in small letters, in byte order
    std::string signature;                   ///< 64 hexadecimal digits

    /// Returns the scope as the string to sign has it.
    std::string scope() const { return date + "/" + region + "/" + service + "/aws4_request"; }
};

/// Reads the claim of a request that is signed in its header fields. An error if anything that
/// must be signed is not, the clock of the client is wrong, or the signature is of a kind that this
/// agent does not accept: in the query, of another algorithm, of a body that is not hashed, or with
/// a session token, which this agent gives to nobody.
std::variant<SignatureClaim, Error> read_claim(const RequestHeadView& head,
                                               std::chrono::sys_seconds now);

}  // namespace secrets::aws
