// SPDX-License-Identifier: Apache-2.0
#pragma once
// The shared documents (runs, owners) that a request reads or writes.

#include <set>

#include "agentd/store/owner.h"
#include "common/base/ids.h"

namespace secrets::service {

struct DocumentKeys {
    std::set<RunId> runs{};
    std::set<store::Owner> owners{};  ///< owners whose stored secrets are read or written
    bool all_runs = false;            ///< every run, of which there may be any number

    void add(const DocumentKeys& others) {
        runs.insert(others.runs.begin(), others.runs.end());
        owners.insert(others.owners.begin(), others.owners.end());
        all_runs = all_runs || others.all_runs;
    }
};

}  // namespace secrets::service
