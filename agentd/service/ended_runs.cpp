// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/ended_runs.h"

#include "common/base/text_encoding.h"

namespace secrets::service {

void EndedRuns::add(const vault::RunHead& run, vault::Time at, std::string how) {
    remove(run.id);
    runs_.emplace(run.id, EndedRun{run, at, std::move(how)});
    by_time_.emplace(at, run.id);
    if (by_time_.size() > kMostEndedRuns) remove(RunId(by_time_.begin()->second));
}

void EndedRuns::remove(const RunId& run) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    by_time_.erase({found->second.at, run});
    runs_.erase(found);
}

void EndedRuns::remove_before(vault::Time time) {
    while (!by_time_.empty() && by_time_.begin()->first < time) {
        remove(RunId(by_time_.begin()->second));
    }
}

const EndedRun* EndedRuns::find(const RunId& run) const {
    const auto found = runs_.find(run);
    return found == runs_.end() ? nullptr : &found->second;
}

std::string EndedRuns::sentence(const RunId& run, const std::string& how, vault::Time at) {
    return "run " + run.text() + " " + how + " at " + utc_text(at.time_since_epoch().count());
}

}  // namespace secrets::service
