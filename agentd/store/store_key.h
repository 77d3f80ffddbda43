// SPDX-License-Identifier: Apache-2.0
#pragma once
// The key that the store's values are sealed under.

#include <string>

#include "common/base/status.h"
#include "common/secure_memory/locked_region.h"
#include "common/secure_memory/wipe.h"

namespace secrets::store {

/// 256 bits in locked memory. Move only; overwritten when it goes.
class StoreKey {
  public:
    static constexpr std::size_t kBytes = 32;

    /// Reads a file that holds exactly the key's bytes. One that systemd made a credential is as
    /// private as systemd left it (`is_credential`); any other must be its owner's alone to read.
    static StatusOr<StoreKey> read(const std::string& path, bool is_credential, MemoryKind memory);

    /// One that nobody else has, and that is gone with the object.
    static StatusOr<StoreKey> random(MemoryKind memory);

    SecretView bytes() const { return SecretView(region_.bytes().first(kBytes)); }

    /// Tells keys apart and says nothing of them: the beginning of an HMAC-SHA-256, in to_hex.
    const std::string& id() const { return id_; }

  private:
    explicit StoreKey(LockedRegion region);

    LockedRegion region_;
    std::string id_;
};

}  // namespace secrets::store
