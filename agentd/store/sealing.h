// SPDX-License-Identifier: Apache-2.0
#pragma once
// Seals values with AES-256-GCM. A sealed value reveals nothing without the key, and does not open
// in another context than the one in which it was sealed.

#include <string>
#include <string_view>

#include "agentd/store/store_key.h"
#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets::store {

/// Returns a random nonce (12 bytes), the ciphertext and the tag (16 bytes). `context` is bound to
/// them as additional data. As nonces are random, one key is good for some 2^32 values.
StatusOr<std::string> seal(const StoreKey& key, SecretView value, std::string_view context);

/// Returns the value. Fails if the key, the context or any bit of `sealed` differs from the
/// sealing.
StatusOr<SecretBuffer> unseal(const StoreKey& key, std::string_view sealed,
                              std::string_view context);

}  // namespace secrets::store
