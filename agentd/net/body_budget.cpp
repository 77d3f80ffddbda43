// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/body_budget.h"

namespace secrets::net {
namespace {

/// Returns the part of a body's bytes that counts.
std::uint64_t priced(std::uint64_t bytes) {
    return bytes > BodyBudget::kFreeBytes ? bytes : 0;
}

Status full(std::uint64_t bytes, const std::string& whose, std::size_t limit,
            const std::string& key) {
    return Status::unavailable("cannot take a body of " + std::to_string(bytes) +
                               " bytes now: the bodies of the requests " + whose +
                               " that are being served would exceed " + std::to_string(limit) +
                               " bytes (" + key + "); retry when some have been answered");
}

}  // namespace

BodyBudget::Charge::~Charge() {
    budget_.used_ -= bytes_;
    client_->second.bytes -= bytes_;
    if (--client_->second.bodies == 0) budget_.clients_.erase(client_);
}

/// A client without another body may have one of any size, so that the largest that a route takes
/// fits however small limits.total_bytes is; the same goes for all together.
Status BodyBudget::Charge::check(std::uint64_t bytes) const {
    const std::uint64_t more = priced(bytes);
    if (more <= bytes_) return Status();
    const Most& most = budget_.most_;
    const std::size_t others = budget_.used_ - bytes_;
    if (others > 0 && others + more > most.together) {
        return full(bytes, "of all clients", most.together, "an eighth of limits.total_bytes");
    }
    const std::size_t others_of_client = client_->second.bytes - bytes_;
    if (others_of_client > 0 && others_of_client + more > most.of_one_client) {
        return full(bytes, "of " + client_->first, most.of_one_client,
                    "an eighth of the memory for bodies, which is an eighth of limits.total_bytes");
    }
    return Status();
}

Status BodyBudget::Charge::raise(std::size_t bytes) {
    if (Status wrong = check(bytes); !wrong.ok()) return wrong;
    const std::size_t more = priced(bytes);
    if (more <= bytes_) return Status();
    budget_.used_ += more - bytes_;
    client_->second.bytes += more - bytes_;
    bytes_ = more;
    return Status();
}

}  // namespace secrets::net
