// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/recent_events.h"

namespace secrets::audit {

void RecentEvents::add(const Event& event, Time at) {
    entries_.push_back({last_ + 1, at, event});
    ++last_;
    if (entries_.size() > kKept) entries_.pop_front();
}

}  // namespace secrets::audit
