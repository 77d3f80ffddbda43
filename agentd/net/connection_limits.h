// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "common/base/status.h"

namespace secrets::net {

/// Counts a server's open connections, in total and per address, and limits both.
class ConnectionLimits {
  public:
    struct Most {
        std::size_t together;
        std::size_t of_one_address;
    };
    explicit ConnectionLimits(Most most) : most_(most) {}

    /// One connection, counted for the object's lifetime. The limits must outlive the object.
    class Counted {
      public:
        Counted(Counted&& other) noexcept;
        Counted& operator=(Counted&&) = delete;
        ~Counted();

        const std::string& address() const { return of_->first; }

      private:
        friend ConnectionLimits;
        using Entry = std::map<std::string, std::size_t>::iterator;
        Counted(ConnectionLimits& limits, Entry of) : limits_(&limits), of_(of) {}

        ConnectionLimits* limits_;
        Entry of_;
    };

    /// Counts a connection. The Status says which limit is reached.
    StatusOr<Counted> admit(const std::string& address);

  private:
    Most most_;
    std::size_t open_ = 0;
    std::map<std::string, std::size_t> open_of_;
};

}  // namespace secrets::net
