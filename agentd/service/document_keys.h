// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a request is about of all that several agents may share.

#include <set>

#include "agentd/store/owner.h"
#include "common/base/ids.h"

namespace secrets::service {

struct DocumentKeys {
    std::set<RunId> runs{};
    std::set<store::Owner> owners{};  ///< whose kept secrets matter
    bool all_runs = false;            ///< of which there may be any number

    void add(const DocumentKeys& others) {
        runs.insert(others.runs.begin(), others.runs.end());
        owners.insert(others.owners.begin(), others.owners.end());
        all_runs = all_runs || others.all_runs;
    }
};

}  // namespace secrets::service
