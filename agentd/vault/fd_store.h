// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where slabs are kept so that they outlive the process: systemd's descriptor store, say.

#include <string>

namespace secrets::vault {

/// Keeps duplicates of descriptors by name, for the next process of this service. Names are made of
/// letters, digits and `-`, and are not reused while one is kept.
class FdStore {
  public:
    virtual ~FdStore() = default;

    /// Whether it is kept: false where the keeper could not be told.
    virtual bool keep(const std::string& name, int fd) = 0;
    /// Also fine when nothing of that name is kept.
    virtual void forget(const std::string& name) = 0;

  protected:
    FdStore() = default;
    FdStore(const FdStore&) = default;
    FdStore& operator=(const FdStore&) = default;
};

}  // namespace secrets::vault
