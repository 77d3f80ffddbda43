// SPDX-License-Identifier: Apache-2.0
#pragma once
// Recognizes that the other side of a local protocol is older than this one.

#include <string>
#include <string_view>

#include "common/ipc/message.h"

namespace secrets::ipc {

/// Tells whether a refusal says that the other side does not have the version of the message, in
/// the words of any release.
inline bool refuses_version(std::string_view sentence) {
    constexpr std::string_view kIn010 = "a message has protocol version ";
    return sentence.starts_with(kOtherVersion) || sentence.starts_with(kIn010);
}

/// Tells whether a refusal says that the other side does not know the type of the message.
inline bool refuses_type(std::string_view sentence) {
    return sentence.starts_with(kUnknownType);
}

/// Tells whether a refusal says, in the words of 0.2.0, that a form of a secret spec is unknown
/// which this side knows: ':hold' or ':random'. The words may be those of a hub.
inline bool refuses_form(std::string_view sentence) {
    constexpr std::string_view kForms = "expected one of: ':env', ':file'";
    if (sentence.find("':hold' is not available in this version") != sentence.npos) return true;
    const auto forms = sentence.find(kForms);
    return forms != sentence.npos && !sentence.substr(forms + kForms.size()).starts_with(",");
}

/// Returns the refusal of a secret spec with what to do, if the other side is too old for the spec.
inline std::string with_remedy(std::string refusal) {
    if (refuses_form(refusal)) {
        refusal +=
            "; slurm-secretsd is older than this request; upgrade it on this node, and on its hub";
    }
    return refusal;
}

}  // namespace secrets::ipc
