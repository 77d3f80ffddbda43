// SPDX-License-Identifier: Apache-2.0
#pragma once
// Recognizes that the other side of a local protocol is older than this one.

#include <string_view>

#include "common/ipc/message.h"

namespace secrets::ipc {

/// Tells whether a refusal says that the other side does not have the version of the message, in
/// the words of any release.
inline bool refuses_version(std::string_view sentence) {
    constexpr std::string_view kIn020 = "a message has protocol version ";
    return sentence.starts_with(kOtherVersion) || sentence.starts_with(kIn020);
}

/// Tells whether a refusal says that the other side does not know the type of the message.
inline bool refuses_type(std::string_view sentence) {
    return sentence.starts_with(kUnknownType);
}

}  // namespace secrets::ipc
