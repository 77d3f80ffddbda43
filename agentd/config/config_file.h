// SPDX-License-Identifier: Apache-2.0
#pragma once
// Compares the configuration file on disk with the text that the agent runs with.

#include <sys/stat.h>

#include <string>

#include "agentd/config/config.h"

namespace secrets {

/// Reads the file again only if it was changed since the last look: users may ask often.
class ConfigFile {
  public:
    enum class State { current, changed, broken };

    /// Takes the file's content as what the agent runs with.
    explicit ConfigFile(std::string path);
    void note_loaded();

    State look();
    /// Returns what is wrong in a broken file.
    const std::string& trouble() const { return trouble_; }
    const std::string& path() const { return path_; }

  private:
    /// What identifies a version of the file.
    struct Stamp {
        bool exists = false;
        dev_t device = 0;
        ino_t number = 0;
        off_t size = 0;
        timespec changed{};
    };

    Stamp stamp() const;
    static bool is_same(const Stamp& one, const Stamp& other);

    std::string path_;
    std::string loaded_;
    Stamp seen_;
    State state_ = State::current;
    std::string trouble_;
};

}  // namespace secrets
