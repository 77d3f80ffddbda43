// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/denial_rate_limit.h"

#include <algorithm>
#include <tuple>

namespace secrets::audit {

/// Returns whether the limit of all callers together allows one more denial to be written.
bool DenialRateLimit::has_room_for_all(Time now) {
    if (now >= all_.begin + kDenialWindow) all_ = Window{now};
    return all_.written < burst_of_all_;
}

bool DenialRateLimit::admit(Kind kind, const DeniedCaller& caller, Time now) {
    Key key{kind, caller};
    auto found = windows_.find(key);
    if (found == windows_.end()) {
        if (windows_.size() >= callers_) key.second = {};
        bool is_new = false;
        std::tie(found, is_new) = windows_.try_emplace(key, Window{now});
        if (is_new) in_order_.push_back(key);
    }
    Window& window = found->second;
    if (window.written < kDenialBurst && has_room_for_all(now)) {
        ++window.written;
        ++all_.written;
        return true;
    }
    ++window.counted;
    const Time end = window.begin + kDenialWindow;
    next_to_tell_ = std::min(next_to_tell_.value_or(end), end);
    return false;
}

/// Ends the oldest window, and adds a summary of the denials that it did not let through.
void DenialRateLimit::end_first(Time now, std::vector<Summary>& summaries) {
    const auto found = windows_.find(in_order_.front());
    const auto& [key, window] = *found;
    if (window.counted > 0) {
        const auto within = std::min<Time::duration>(now - window.begin, kDenialWindow);
        summaries.push_back({key.first, key.second, window.counted,
                             std::chrono::ceil<std::chrono::seconds>(within)});
    }
    windows_.erase(found);
    in_order_.pop_front();
}

void DenialRateLimit::find_next_to_tell() {
    next_to_tell_.reset();
    for (const Key& key : in_order_) {
        const Window& window = windows_.at(key);
        if (window.counted == 0) continue;
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
