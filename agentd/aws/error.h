// SPDX-License-Identifier: Apache-2.0
#pragma once
// The errors of AWS's API: a type that clients compare, and a sentence. The codes of a Status do
// not tell the errors of signatures apart: so what reads a signature returns an Error.

#include <string>
#include <string_view>

namespace secrets::aws {

enum class ErrorType {
    access_denied,
    incomplete_signature,
    internal_service_error,
    invalid_parameter,
    invalid_request,
    invalid_signature,
    limit_exceeded,
    missing_authentication_token,
    resource_exists,
    resource_not_found,
    serialization,
    throttling,
    unknown_operation,
    unrecognized_client,
    validation,
};

/// Returns the name of the type, as in the `__type` of an answer.
std::string_view type_name(ErrorType type);

/// Returns the HTTP status: 500 for an error of the server, which SDKs repeat, else 400.
unsigned http_status_of(ErrorType type);

struct Error {
    ErrorType type = ErrorType::internal_service_error;
    std::string sentence;
};

}  // namespace secrets::aws
