// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/denial_rate_limit.h"

#include <algorithm>
#include <tuple>

namespace secrets::audit {

bool DenialRateLimit::admit(Kind kind, Uid uid, Time now) {
    Key key{kind, uid};
    auto window = windows_.find(key);
    if (window == windows_.end()) {
        if (windows_.size() >= kMaxDenialCounts) key.second.reset();
        bool is_new = false;
        std::tie(window, is_new) = windows_.try_emplace(key, Window{now});
        if (is_new) in_order_.push_back(key);
    }
    const std::uint64_t refusals = ++window->second.refusals;
    if (refusals <= kDenialBurst) return true;
    const Time end = window->second.begin + kDenialWindow;
    next_to_tell_ = std::min(next_to_tell_.value_or(end), end);
    return false;
}

/// Ends the oldest window, and adds a summary of the denials that it did not let through.
void DenialRateLimit::end_first(Time now, std::vector<Summary>& summaries) {
    const auto window = windows_.find(in_order_.front());
    const auto& [key, counts] = *window;
    if (counts.refusals > kDenialBurst) {
        const auto within = std::min<Time::duration>(now - counts.begin, kDenialWindow);
        summaries.push_back({key.first, key.second, counts.refusals - kDenialBurst,
                             std::chrono::ceil<std::chrono::seconds>(within)});
    }
    windows_.erase(window);
    in_order_.pop_front();
}

void DenialRateLimit::find_next_to_tell() {
    next_to_tell_.reset();
    for (const Key& key : in_order_) {
        const Window& window = windows_.at(key);
        if (window.refusals <= kDenialBurst) continue;
        next_to_tell_ = window.begin + kDenialWindow;
        return;
    }
}

std::vector<DenialRateLimit::Summary> DenialRateLimit::take_ended(Time now) {
    std::vector<Summary> summaries;
    while (!in_order_.empty() && windows_.at(in_order_.front()).begin + kDenialWindow <= now) {
        end_first(now, summaries);
    }
    if (!summaries.empty()) find_next_to_tell();
    return summaries;
}

std::vector<DenialRateLimit::Summary> DenialRateLimit::take_all(Time now) {
    std::vector<Summary> summaries;
    while (!in_order_.empty()) end_first(now, summaries);
    next_to_tell_.reset();
    return summaries;
}

}  // namespace secrets::audit
