// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slurm's plugstack.conf and the line in it that loads the plugin.

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
    std::string plugin;  ///< as written in the line
    std::vector<std::string> arguments;

    /// Returns the line's position: "line 3 of /etc/slurm/plugstack.conf".
    std::string place() const;
    /// Returns the text after `name=`.
    std::optional<std::string> argument(const std::string& name) const;
};

struct Plugstack {
    std::vector<PluginLine> lines;        ///< of all files, in Slurm's order
    std::vector<std::string> unreadable;  ///< included files that can't be read
};

/// Reads the file and its included files; returns nothing if the file itself can't be read.
std::optional<Plugstack> read_plugstack(const std::string& path);

/// Returns the value of `key` in slurm.conf or a file that it includes; the key's case is ignored.
std::optional<std::string> slurm_conf_value(const std::string& path, const std::string& key);

}  // namespace secrets::ctl::doctor
