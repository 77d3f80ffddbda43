// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/denied_address_log.h"

#include "agentd/audit/audit_log.h"

namespace secrets::audit {
namespace {

constexpr auto kWindow = std::chrono::minutes(1);
constexpr std::size_t kMaxNoted = 4096;

}  // namespace

void DeniedAddressLog::note(const std::string& address, const std::string& why, Time now) {
    while (!in_order_.empty() && in_order_.front().until <= now) {
        noted_.erase(in_order_.front().address);
        in_order_.pop_front();
    }
    if (noted_.size() >= kMaxNoted) return;
    const auto [place, is_new] = noted_.insert(address);
    if (!is_new) return;
    in_order_.push_back({place, now + kWindow});
    Event event{.kind = Kind::refuse_connection,
                .sentence = who_ + " at " + address + " was refused: " + why};
    event.reason = why;
    record(event);
}

}  // namespace secrets::audit
