// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sealing of values: AES-256-GCM. A sealed value says nothing without the key, and what was sealed
// in one context does not open in another.

#include <string>
#include <string_view>

#include "agentd/store/store_key.h"
#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets::store {

/// A random nonce (12 bytes), the ciphertext, the tag (16 bytes). `context` is bound to it as
/// additional data. Nonces are random: one key is good for some 2^32 values.
StatusOr<std::string> seal(const StoreKey& key, SecretView value, std::string_view context);

/// Fails where the key, the context or a bit of the sealed bytes is another than when it was
/// sealed.
StatusOr<SecretBuffer> unseal(const StoreKey& key, std::string_view sealed,
                              std::string_view context);

}  // namespace secrets::store
