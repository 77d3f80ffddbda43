#include "agentd/audit/refused_addresses.h"

#include "agentd/audit/audit.h"

namespace secrets::audit {
namespace {

constexpr auto kWindow = std::chrono::minutes(1);
constexpr std::size_t kMaxNoted = 4096;

}  // namespace

void RefusedAddresses::note(const std::string& address, const std::string& why) {
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(noted_, [&](const auto& entry) { return entry.second + kWindow <= now; });
    if (noted_.size() >= kMaxNoted || !noted_.emplace(address, now).second) return;
    Event event{.kind = Kind::refuse_connection,
                .sentence = who_ + " at " + address + " was refused: " + why};
    event.reason = why;
    record(event);
}

}  // namespace secrets::audit
