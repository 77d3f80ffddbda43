// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file system with little space.

#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/temporary_folder.h"

namespace secrets {

/// A tmpfs of a few pages. Requires root.
class SmallDisk {
  public:
    static bool can_be_made() { return geteuid() == 0; }

    explicit SmallDisk(const std::string& size = "16k") {
        if (mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) {
            std::abort();
        }
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() { umount2(folder_.path().c_str(), MNT_DETACH); }

    std::string file(const std::string& name) const { return folder_.file(name); }

    /// Uses up all the free space.
    void fill() const {
        std::ofstream filler(file("filler"));
        while (filler.put('x') && filler.flush()) {
        }
    }
    void make_room() const { unlink(file("filler").c_str()); }

  private:
    TemporaryFolder folder_;
};

inline std::string content_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

}  // namespace secrets
