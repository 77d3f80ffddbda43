#pragma once
// What a request is about of all that several agents may share.

#include <set>

#include "agentd/store/owner.h"
#include "common/base/ids.h"

namespace secrets::desk {

struct Subjects {
    std::set<RunId> runs{};
    std::set<people::Owner> owners{};  ///< whose kept secrets matter
    bool all_runs = false;             ///< of which there may be any number

    void add(const Subjects& others) {
        runs.insert(others.runs.begin(), others.runs.end());
        owners.insert(others.owners.begin(), others.owners.end());
        all_runs = all_runs || others.all_runs;
    }
};

}  // namespace secrets::desk
