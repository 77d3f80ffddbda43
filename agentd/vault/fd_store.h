// SPDX-License-Identifier: Apache-2.0
#pragma once
// A store of descriptors through which slabs outlive the process: for example systemd's.

#include <string>

namespace secrets::vault {

/// Stores duplicates of descriptors by name for the next process of this service. Names consist of
/// letters, digits and `-`, and are not reused while a descriptor is stored under them.
class FdStore {
  public:
    virtual ~FdStore() = default;

    /// Returns whether the descriptor is stored: false if the store could not be reached.
    virtual bool keep(const std::string& name, int fd) = 0;
    /// Returns whether nothing is stored under that name now: false if the store could not be
    /// reached.
    virtual bool forget(const std::string& name) = 0;

  protected:
    FdStore() = default;
    FdStore(const FdStore&) = default;
    FdStore& operator=(const FdStore&) = default;
};

}  // namespace secrets::vault
