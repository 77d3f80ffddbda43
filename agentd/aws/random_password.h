// SPDX-License-Identifier: Apache-2.0
#pragma once
// GetRandomPassword: a password of random characters from the kernel.

#include <cstddef>
#include <string>

#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets::aws {

inline constexpr std::size_t kMaxPasswordBytes = 4096;

/// What a client may say of the password, with the values of AWS for what it does not say.
struct PasswordRules {
    std::size_t length = 32;
    std::string exclude_characters{};
    bool exclude_capitals = false;
    bool exclude_small = false;
    bool exclude_digits = false;
    bool exclude_punctuation = false;
    bool include_space = false;
    bool require_each_type = true;  ///< one of each kind of characters that is not excluded
};

/// Makes a password of ASCII characters, each as likely as any other. With `require_each_type` it
/// is drawn until it has each kind, so that all such passwords are equally likely. The Status says
/// which rule cannot be kept (invalid_argument), or that the kernel has no random bytes
/// (unavailable).
StatusOr<SecretBuffer> make_password(const PasswordRules& rules);

}  // namespace secrets::aws
