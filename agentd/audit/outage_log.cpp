// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/outage_log.h"

#include "agentd/audit/audit_log.h"

namespace secrets::audit {

OutageLog::OutageLog(std::string sentence, std::string mended)
    : sentence_(std::move(sentence)), mended_(std::move(mended)) {}

void OutageLog::note(const std::string& why) {
    if (why.empty() == !lasts_) return;
    lasts_ = !why.empty();
    if (lasts_) {
        report_problem(sentence_ + why);
    } else {
        report_recovery(mended_);
    }
}

}  // namespace secrets::audit
