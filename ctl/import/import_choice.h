// SPDX-License-Identifier: Apache-2.0
#pragma once
// The names that a user chose from what is imported.

#include <algorithm>
#include <string>
#include <vector>

namespace secrets::ctl {

struct ImportChoice {
    std::vector<std::string> only;  ///< only these; empty: all but `skip`
    std::vector<std::string> skip;

    bool wants(const std::string& name) const {
        const auto has = [&](const std::vector<std::string>& names) {
            return std::find(names.begin(), names.end(), name) != names.end();
        };
        return (only.empty() || has(only)) && !has(skip);
    }
};

}  // namespace secrets::ctl
