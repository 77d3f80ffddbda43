#include "agentd/audit/outage_log.h"

#include "agentd/audit/audit_log.h"

namespace secrets::audit {

LastingTrouble::LastingTrouble(std::string sentence, std::string mended)
    : sentence_(std::move(sentence)), mended_(std::move(mended)) {}

void LastingTrouble::note(const std::string& why) {
    if (why.empty() == !lasts_) return;
    lasts_ = !why.empty();
    if (lasts_) {
        trouble(sentence_ + why);
    } else {
        mended(mended_);
    }
}

}  // namespace secrets::audit
