// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/error.h"

namespace secrets::aws {

std::string_view type_name(ErrorType type) {
    switch (type) {
        case ErrorType::access_denied:
            return "AccessDeniedException";
        case ErrorType::incomplete_signature:
            return "IncompleteSignatureException";
        case ErrorType::internal_service_error:
            return "InternalServiceError";
        case ErrorType::invalid_parameter:
            return "InvalidParameterException";
        case ErrorType::invalid_request:
            return "InvalidRequestException";
        case ErrorType::invalid_signature:
            return "InvalidSignatureException";
        case ErrorType::limit_exceeded:
            return "LimitExceededException";
        case ErrorType::missing_authentication_token:
            return "MissingAuthenticationTokenException";
        case ErrorType::resource_exists:
            return "ResourceExistsException";
        case ErrorType::resource_not_found:
            return "ResourceNotFoundException";
        case ErrorType::serialization:
            return "SerializationException";
        case ErrorType::throttling:
            return "ThrottlingException";
        case ErrorType::unknown_operation:
            return "UnknownOperationException";
        case ErrorType::unrecognized_client:
            return "UnrecognizedClientException";
        case ErrorType::validation:
            return "ValidationException";
    }
    return "InternalServiceError";
}

unsigned http_status_of(ErrorType type) {
    return type == ErrorType::internal_service_error ? 500 : 400;
}

}  // namespace secrets::aws
