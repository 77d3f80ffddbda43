// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace secrets {

/// A new folder that other users may enter; its destructor removes it with its content. Its path is
/// short enough for sockets.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        char path[] = "/tmp/unit-XXXXXX";
        if (mkdtemp(path) == nullptr) std::abort();
        path_ = path;
        std::filesystem::permissions(path_, std::filesystem::perms(0755));
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace secrets
