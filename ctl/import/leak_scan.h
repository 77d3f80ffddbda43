// SPDX-License-Identifier: Apache-2.0
#pragma once
// A search for other copies of imported secrets.

#include <string>
#include <vector>

namespace secrets::ctl {

struct Leak {
    std::string path;
    std::string sentence;  ///< the content of the file and the remedy, without the path
};

/// Checks the imported file (`-`: none), Nextflow's store and the files that Nextflow leaves beside
/// it, and the caller's shell startup and history files. Skips files that can't be read. No
/// sentence shows a value.
std::vector<Leak> find_leaks(const std::string& imported, const std::vector<std::string>& names);

}  // namespace secrets::ctl
