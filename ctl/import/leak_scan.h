// SPDX-License-Identifier: Apache-2.0
#pragma once
// What else holds secrets that were imported.

#include <string>
#include <vector>

namespace secrets::ctl {

struct Leak {
    std::string path;
    std::string sentence;  ///< what is in it and what to do, without the path
};

/// Looks at the file that was imported (`-`: none), at Nextflow's store and what it leaves beside
/// it, and at the shells' startup and history files of the caller. A file that can't be read is
/// passed over. No sentence shows a value.
std::vector<Leak> find_leaks(const std::string& imported, const std::vector<std::string>& names);

}  // namespace secrets::ctl
