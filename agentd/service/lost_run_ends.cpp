// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/lost_run_ends.h"

#include <algorithm>

namespace secrets::service {

void LostRunEnds::add(const RunId& run, const auth::Principal& by, vault::Time at) {
    const Caller caller(by.uid(), by.certificate());
    remove(run, caller);
    if (count_ >= kMostLostRunEnds) {
        const auto most = std::max_element(
            by_time_.begin(), by_time_.end(),
            [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
        const RunId oldest = most->second.begin()->second;
        remove(oldest, Caller(most->first));
    }
    ends_[run].insert_or_assign(caller, LostRunEnd{by, at});
    by_time_[caller].emplace(at, run);
    ++count_;
}

void LostRunEnds::remove(const RunId& run, const Caller& caller) {
    const auto found = ends_.find(run);
    if (found == ends_.end()) return;
    const auto end = found->second.find(caller);
    if (end == found->second.end()) return;
    const auto of_caller = by_time_.find(caller);
    of_caller->second.erase({end->second.at, run});
    if (of_caller->second.empty()) by_time_.erase(of_caller);
    found->second.erase(end);
    if (found->second.empty()) ends_.erase(found);
    --count_;
}

void LostRunEnds::remove(const RunId& run) {
    for (const LostRunEnd& end : of(run)) remove(run, {end.by.uid(), end.by.certificate()});
}

std::vector<LostRunEnd> LostRunEnds::of(const RunId& run) const {
    std::vector<LostRunEnd> ends;
    const auto found = ends_.find(run);
    if (found == ends_.end()) return ends;
    for (const auto& [caller, end] : found->second) ends.push_back(end);
    return ends;
}

}  // namespace secrets::service
