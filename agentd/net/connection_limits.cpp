// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/connection_limits.h"

#include <utility>

namespace secrets::net {

ConnectionLimits::Counted::Counted(Counted&& other) noexcept
    : limits_(std::exchange(other.limits_, nullptr)), of_(other.of_) {}

ConnectionLimits::Counted::~Counted() {
    if (limits_ == nullptr) return;
    --limits_->open_;
    if (--of_->second == 0) limits_->open_of_.erase(of_);
}

StatusOr<ConnectionLimits::Counted> ConnectionLimits::admit(const std::string& address) {
    const auto found = open_of_.find(address);
    if (found != open_of_.end() && found->second >= most_.of_one_address) {
        return Status::failed("limit of " + std::to_string(most_.of_one_address) +
                              " connections per address reached");
    }
    if (open_ >= most_.together) {
        return Status::failed("limit of " + std::to_string(most_.together) +
                              " connections to the hub reached");
    }
    const auto of = open_of_.try_emplace(address, 0).first;
    ++of->second;
    ++open_;
    return Counted(*this, of);
}

}  // namespace secrets::net
