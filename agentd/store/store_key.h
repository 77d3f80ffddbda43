// SPDX-License-Identifier: Apache-2.0
#pragma once
// The key under which the store's values are sealed.

#include <string>

#include "common/base/status.h"
#include "common/secure_memory/locked_region.h"
#include "common/secure_memory/wipe.h"

namespace secrets::store {

/// Holds 256 bits in locked memory. Move only; overwritten by the destructor.
class StoreKey {
  public:
    static constexpr std::size_t kBytes = 32;

    /// Reads a file that holds exactly the key's bytes. A credential of systemd (`is_credential`)
    /// is as private as systemd made it, and may have a sentence that says why there is no key. Any
    /// other file must be readable by its owner only.
    static StatusOr<StoreKey> read(const std::string& path, bool is_credential, MemoryKind memory);

    /// Returns a random key that nobody else has, and that ends with the object.
    static StatusOr<StoreKey> random(MemoryKind memory);

    SecretView bytes() const { return SecretView(region_.bytes().first(kBytes)); }

    /// Returns an id that distinguishes keys and reveals nothing of them: the beginning of an
    /// HMAC-SHA-256, in to_hex.
    const std::string& id() const { return id_; }

  private:
    explicit StoreKey(LockedRegion region);

    LockedRegion region_;
    std::string id_;
};

}  // namespace secrets::store
