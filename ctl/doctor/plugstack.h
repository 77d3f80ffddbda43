// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slurm's plugstack.conf: which line loads the plugin.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace secrets::ctl::doctor {

/// A line that names spank_secrets.so.
struct PluginLine {
    std::string file;
    std::size_t number = 0;
    bool commented_out = false;
    bool required = false;
    std::string plugin;  ///< as it stands there
    std::vector<std::string> arguments;

    /// "line 3 of /etc/slurm/plugstack.conf"
    std::string place() const;
    /// What stands behind `name=`.
    std::optional<std::string> argument(const std::string& name) const;
};

struct Plugstack {
    std::vector<PluginLine> lines;        ///< of all files, in Slurm's order
    std::vector<std::string> unreadable;  ///< files that it includes and that can't be read
};

/// Reads the file and what it includes; nothing when it can't be read itself.
std::optional<Plugstack> read_plugstack(const std::string& path);

/// What slurm.conf, or a file that it includes, says behind `key=`, whatever the key's case.
std::optional<std::string> slurm_conf_value(const std::string& path, const std::string& key);

}  // namespace secrets::ctl::doctor
