// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "common/base/status.h"

namespace secrets::net {

/// Limits the memory of request bodies in flight: those of all connections of the process together,
/// and those of one client. Not thread-safe.
class BodyBudget {
    struct Client {
        std::size_t bodies = 0;
        std::size_t bytes = 0;
    };
    using Clients = std::map<std::string, Client>;

  public:
    struct Most {
        std::size_t together = 0;
        std::size_t of_one_client = 0;
    };

    /// The first bytes of a body cost nothing. They are part of the price of a connection, as its
    /// head is, and the number of connections is limited elsewhere. So a small request is served
    /// even if the budget is used up.
    static constexpr std::size_t kFreeBytes = 16 * 1024;

    /// The bytes of one body, counted until the object's end. The budget must outlive the object.
    class Charge {
      public:
        /// `client`: its name in a sentence, as in "uid 1000".
        Charge(BodyBudget& budget, const std::string& client)
            : budget_(budget), client_(budget.clients_.try_emplace(client).first) {
            ++client_->second.bodies;
        }
        Charge(const Charge&) = delete;
        Charge& operator=(const Charge&) = delete;
        ~Charge();

        /// Returns an error if a body of `bytes` does not fit now. Counts nothing.
        Status check(std::uint64_t bytes) const;
        /// Counts `bytes` in all for this body. After an error nothing has changed.
        Status raise(std::size_t bytes);

      private:
        BodyBudget& budget_;
        Clients::iterator client_;
        std::size_t bytes_ = 0;
    };

    /// Has no room until it is configured.
    BodyBudget() = default;
    explicit BodyBudget(Most most) : most_(most) {}
    BodyBudget(const BodyBudget&) = delete;
    BodyBudget& operator=(const BodyBudget&) = delete;

    /// Applies to bodies that grow or come from now on.
    void configure(Most most) { most_ = most; }

    std::size_t used() const { return used_; }
    std::size_t limit() const { return most_.together; }

  private:
    Most most_{};
    std::size_t used_ = 0;
    Clients clients_;
};

}  // namespace secrets::net
